# diptych_proto_library(NAME storage_v1_proto PROTOS a.proto b.proto DEPS diptych::google_rpc_proto [GRPC])
#
# Generates C++ (and with GRPC the service stubs) from files named relative to proto/, into one static library.

function(diptych_proto_library)
  cmake_parse_arguments(ARG "GRPC" "NAME" "PROTOS;DEPS" ${ARGN})
  set(root "${PROJECT_SOURCE_DIR}/proto")
  set(out "${PROJECT_BINARY_DIR}/proto")
  file(MAKE_DIRECTORY "${out}")
  set(sources)
  foreach(proto IN LISTS ARG_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" stem "${proto}")
    set(generated "${out}/${stem}.pb.cc" "${out}/${stem}.pb.h")
    set(arguments "--proto_path=${root}" "--cpp_out=${out}")
    if(ARG_GRPC)
      list(APPEND generated "${out}/${stem}.grpc.pb.cc" "${out}/${stem}.grpc.pb.h")
      list(APPEND arguments "--grpc_out=generate_mock_code=false:${out}" "--plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN}")
    endif()
    add_custom_command(
      OUTPUT ${generated}
      COMMAND "${PROTOC}" ${arguments} "${root}/${proto}"
      DEPENDS "${root}/${proto}"
      COMMENT "Generating C++ from ${proto}"
      VERBATIM)
    list(APPEND sources ${generated})
  endforeach()
  set(target "diptych_${ARG_NAME}")
  add_library(${target} STATIC ${sources})
  # SYSTEM: warnings inside generated headers are not ours to mend.
  target_include_directories(${target} SYSTEM PUBLIC "${out}")
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf ${ARG_DEPS} PRIVATE diptych::generated_options)
  if(DIPTYCH_SANITIZE STREQUAL "thread")
    target_compile_options(${target} PUBLIC "SHELL:-include ${PROJECT_SOURCE_DIR}/common/testing/protobuf_without_tsan.h")
  endif()
  if(ARG_GRPC)
    target_link_libraries(${target} PUBLIC gRPC::grpc++)
  endif()
  add_library("diptych::${ARG_NAME}" ALIAS ${target})
endfunction()
