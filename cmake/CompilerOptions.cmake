# One INTERFACE target, diptych::options, that every target of ours links: language level, warnings, hardening and
# sanitizers. Generated code links diptych::generated_options, which has no warnings.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer" CACHE STRING "Flags of the sanitizer presets")

add_library(diptych_generated_options INTERFACE)
add_library(diptych::generated_options ALIAS diptych_generated_options)
target_compile_features(diptych_generated_options INTERFACE cxx_std_20)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(diptych_generated_options INTERFACE
    -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  target_link_options(diptych_generated_options INTERFACE -Wl,-z,relro,-z,now -Wl,--as-needed)
endif()
if(DIPTYCH_SANITIZE)
  target_compile_options(diptych_generated_options INTERFACE -fsanitize=${DIPTYCH_SANITIZE})
  target_link_options(diptych_generated_options INTERFACE -fsanitize=${DIPTYCH_SANITIZE})
  if(DIPTYCH_SANITIZE MATCHES "undefined")
    target_compile_options(diptych_generated_options INTERFACE -fno-sanitize-recover=undefined)
  endif()
endif()

add_library(diptych_options INTERFACE)
add_library(diptych::options ALIAS diptych_options)
target_link_libraries(diptych_options INTERFACE diptych::generated_options)
target_compile_options(diptych_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # Warns of overlaps in std::string that cannot be (https://gcc.gnu.org/bugzilla/show_bug.cgi?id=105651).
  target_compile_options(diptych_options INTERFACE -Wno-restrict)
endif()
if(DIPTYCH_WARNINGS_AS_ERRORS)
  target_compile_options(diptych_options INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(diptych_options INTERFACE -Wthread-safety)
endif()
