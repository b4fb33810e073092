// Forced into files that use Protocol Buffers when ThreadSanitizer is on
// (cmake/ProtoLibrary.cmake): map_field.h then adds members to map fields
// which the distribution's library, built without it, does not know of, and
// the first map crashes. So these headers are read as the library was built.
#pragma once

#ifdef __SANITIZE_THREAD__
// As it is with ThreadSanitizer: without, libstdc++ ends the last reference of
// a shared_ptr by plain reads, which look like a race.
#include <memory>
#undef __SANITIZE_THREAD__
#include <google/protobuf/map_field.h>
#define __SANITIZE_THREAD__ 1
#endif
