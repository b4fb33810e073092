# One function per kind of target. Headers and sources lie together; folder = namespace = target.
#
#   diptych_cc_library(NAME storage_index SRCS a.cc HDRS a.h DEPS diptych::storage_types PRIVATE_LINKS hnswlib)
#     -> target diptych_storage_index, used by its alias diptych::storage_index.
#   diptych_cc_binary(NAME storage-server SRCS main.cc DEPS ...)
#   diptych_cc_test(NAME storage_index_test SRCS flat_index_test.cc DEPS ... [ENVIRONMENT A=b] [LABELS slow]
#                   [SINGLE_THREADED])
#     SINGLE_THREADED: the test starts no thread, so ThreadSanitizer has nothing to find in it and leaves it out.
#
# A library's include root is its service's folder ("storage/index/x.h", "inference/text/x.h") or, for common/, the
# repository's root ("common/status/x.h"), so no target can reach into the other service.

function(_diptych_include_root result)
  file(RELATIVE_PATH path "${PROJECT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
  string(REGEX MATCH "^[^/]+" top "${path}")
  if(top STREQUAL "inference-service" OR top STREQUAL "storage-service" OR top STREQUAL "clients")
    set(${result} "${PROJECT_SOURCE_DIR}/${top}" PARENT_SCOPE)
  else()
    set(${result} "${PROJECT_SOURCE_DIR}" PARENT_SCOPE)
  endif()
endfunction()

function(diptych_cc_library)
  cmake_parse_arguments(ARG "TESTONLY" "NAME" "SRCS;HDRS;DEPS;PRIVATE_LINKS" ${ARGN})
  if(ARG_TESTONLY AND NOT DIPTYCH_TESTS)
    return()
  endif()
  set(target "diptych_${ARG_NAME}")
  _diptych_include_root(root)
  if(ARG_SRCS)
    add_library(${target} STATIC ${ARG_SRCS} ${ARG_HDRS})
    target_include_directories(${target} PUBLIC "${root}")
    target_link_libraries(${target} PUBLIC ${ARG_DEPS} PRIVATE diptych::options ${ARG_PRIVATE_LINKS})
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE "${root}")
    target_link_libraries(${target} INTERFACE ${ARG_DEPS})
  endif()
  add_library("diptych::${ARG_NAME}" ALIAS ${target})
endfunction()

# Executables of the tsan preset tell ThreadSanitizer about Abseil's locks.
function(_diptych_annotate_locks target)
  if(DIPTYCH_SANITIZE MATCHES "thread")
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:diptych_tsan_abseil>)
    target_link_libraries(${target} PRIVATE absl::synchronization ${CMAKE_DL_LIBS})
  endif()
endfunction()

function(diptych_cc_binary)
  cmake_parse_arguments(ARG "TESTONLY" "NAME" "SRCS;DEPS" ${ARGN})
  if(ARG_TESTONLY AND NOT DIPTYCH_TESTS)
    return()
  endif()
  _diptych_include_root(root)
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_include_directories(${ARG_NAME} PRIVATE "${root}")
  target_link_libraries(${ARG_NAME} PRIVATE diptych::options ${ARG_DEPS})
  if(ARG_TESTONLY)
    set_target_properties(${ARG_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  else()
    # cmake --install build/release [--component NAME] [--strip]
    install(TARGETS ${ARG_NAME} RUNTIME COMPONENT ${ARG_NAME})
  endif()
  _diptych_annotate_locks(${ARG_NAME})
endfunction()

function(diptych_cc_test)
  cmake_parse_arguments(ARG "SINGLE_THREADED" "NAME;TIMEOUT" "SRCS;DEPS;ENVIRONMENT;LABELS" ${ARGN})
  if(NOT DIPTYCH_TESTS OR (ARG_SINGLE_THREADED AND DIPTYCH_SANITIZE STREQUAL "thread"))
    return()
  endif()
  _diptych_include_root(root)
  add_executable(${ARG_NAME} ${ARG_SRCS})
  set_target_properties(${ARG_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_include_directories(${ARG_NAME} PRIVATE "${root}")
  target_link_libraries(${ARG_NAME} PRIVATE diptych::options diptych::testing ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  _diptych_annotate_locks(${ARG_NAME})
  add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME})
  set(environment
      "DIPTYCH_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
      "DIPTYCH_BINARY_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}"
      "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan_suppressions.txt halt_on_error=1 second_deadlock_stack=1"
      "ASAN_OPTIONS=detect_stack_use_after_return=1"
      "UBSAN_OPTIONS=print_stacktrace=1"
      ${ARG_ENVIRONMENT})
  set_tests_properties(${ARG_NAME} PROPERTIES ENVIRONMENT "${environment}" LABELS "${ARG_LABELS}")
  if(ARG_TIMEOUT)
    set_tests_properties(${ARG_NAME} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
  endif()
endfunction()
