# One block per dependency: the reference version is Debian 12's, and why we use it.

find_package(Threads REQUIRED)

# Protocol Buffers 3.21 and gRPC 1.51: the wire. Module mode, because Debian ships no CMake config for Protobuf.
find_package(Protobuf 3.21 MODULE REQUIRED)
find_package(gRPC 1.51 CONFIG REQUIRED)
find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

# Abseil 20220623: Status, Mutex with thread annotations, Time, strings.
find_package(absl CONFIG REQUIRED)

# CLI11 2.1 (header only): command lines of the servers and of `diptych`.
find_package(CLI11 CONFIG REQUIRED)

# spdlog 1.10: structured log lines.
find_package(spdlog CONFIG REQUIRED)

# prometheus-cpp 1.0 (core only): metrics and their text form.
find_package(prometheus-cpp CONFIG REQUIRED)

# cpp-httplib 0.11: the HTTP ports.
find_package(PkgConfig REQUIRED)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)

# nlohmann-json 3.11: JSON of models, of the command line and of the HTTP ports.
find_package(nlohmann_json CONFIG REQUIRED)

# OpenSSL's libcrypto 3.0: SHA-256.
find_package(OpenSSL REQUIRED)

# xxHash 0.8: checksums of stored records.
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)

# zstd 1.5: index snapshots are compressed with it. Included by one adapter only.
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)

# LMDB 0.9.24: the storage service's truth. Included by one adapter only.
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)

# libcurl 7.88 (7.85 for CURLOPT_PROTOCOLS_STR): loads https:// URIs. Included by one adapter only.
find_package(CURL 7.85 REQUIRED)

# CRoaring: sets of slots (filters, deletes).
find_package(roaring CONFIG REQUIRED)

# RE2: regular expressions in filters, in linear time.
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)

# hnswlib 0.6.2 (header only, no config file): builds the graph of an index segment. Included by one adapter only.
find_path(HNSWLIB_INCLUDE_DIR hnswlib/hnswlib.h REQUIRED)
add_library(hnswlib INTERFACE)
target_include_directories(hnswlib SYSTEM INTERFACE "${HNSWLIB_INCLUDE_DIR}")

# libjpeg-turbo 2.1, libpng 1.6, libwebp 1.2 (with libwebpdemux), libtiff 4.5, giflib 5.2: decode what their names say.
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(TIFF REQUIRED)
find_package(GIF 5.2 REQUIRED)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp libwebpdemux)

# ICU 72: Unicode normalisation, case and categories in the tokenisers.
find_package(ICU REQUIRED COMPONENTS uc i18n)

# LibTorch 1.13 (or any 2.x): the encoders. Included by one adapter only.
if(DIPTYCH_TORCH)
  find_package(Torch REQUIRED)
  if(DIPTYCH_CUDA AND NOT TARGET torch_cuda)
    message(FATAL_ERROR "DIPTYCH_CUDA is on, but the LibTorch in ${TORCH_INSTALL_PREFIX} has no CUDA. Set Torch_DIR to the "
                        "share/cmake/Torch of one that has.")
  endif()
endif()

if(DIPTYCH_TESTS)
  find_package(GTest REQUIRED)
endif()
if(DIPTYCH_BENCHMARKS)
  find_package(benchmark REQUIRED)
  # libpq 15: bench-service speaks to PostgreSQL with it.
  pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
  # faiss 1.7 (libfaiss-dev, no config file): measured beside the index where it is there.
  find_path(FAISS_INCLUDE_DIR faiss/IndexHNSW.h)
  find_library(FAISS_LIBRARY faiss)
  find_package(OpenMP)
  find_package(LAPACK)
  if(FAISS_LIBRARY AND FAISS_INCLUDE_DIR AND OpenMP_CXX_FOUND AND LAPACK_FOUND)
    set(FAISS_FOUND ON)
    message(STATUS "bench-index compares with faiss: ${FAISS_LIBRARY}")
  else()
    message(STATUS "bench-index does without faiss, which is not installed (libfaiss-dev)")
    set(FAISS_FOUND OFF)
  endif()
endif()
