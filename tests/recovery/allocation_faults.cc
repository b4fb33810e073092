#include "tests/recovery/allocation_faults.h"

#include <dlfcn.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

namespace {

std::atomic<int64_t> call_count{0}, failure_count{0}, failures_left{0};
std::atomic<int64_t> first_failing{0};
std::atomic<bool> allocations_armed{false}, lmdb_armed{false};

// Counts an allocation. Whether it is one of those that fail.
bool MayFail() {
  if (!allocations_armed) return false;
  const int64_t number = ++call_count;
  return first_failing != 0 && number >= first_failing;
}

bool FailsNow() {
  if (failures_left.fetch_sub(1) <= 0) {
    ++failures_left;
    return false;
  }
  ++failure_count;
  return true;
}

void* Allocate(std::size_t size, std::size_t alignment) {
  const bool may_fail = MayFail();
  for (;;) {
    void* memory = nullptr;
    if (!may_fail || !FailsNow()) {
      if (alignment == 0) {
        memory = std::malloc(size == 0 ? 1 : size);
      } else if (posix_memalign(&memory, alignment, size == 0 ? 1 : size) !=
                 0) {
        memory = nullptr;
      }
    }
    if (memory != nullptr) return memory;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

bool LmdbFails() {
  if (!lmdb_armed) return false;
  const int64_t number = ++call_count;
  if (first_failing == 0 || number < first_failing) return false;
  ++failure_count;
  return true;
}

template <typename Function>
Function* Real(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// The other forms of the library call these.
void* operator new(std::size_t size) { return Allocate(size, 0); }
void* operator new[](std::size_t size) { return Allocate(size, 0); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return Allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return Allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return Allocate(size, 0);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

// LMDB's, by their names: its header and its types belong to one adapter.
extern "C" {

int mdb_txn_begin(void* environment, void* parent, unsigned int flags,
                  void** transaction) {
  if (LmdbFails()) return ENOMEM;
  static const auto real = Real(&mdb_txn_begin, "mdb_txn_begin");
  return real(environment, parent, flags, transaction);
}

int mdb_cursor_open(void* transaction, unsigned int table, void** cursor) {
  if (LmdbFails()) return ENOMEM;
  static const auto real = Real(&mdb_cursor_open, "mdb_cursor_open");
  return real(transaction, table, cursor);
}

int mdb_put(void* transaction, unsigned int table, void* key, void* value,
            unsigned int flags) {
  if (LmdbFails()) return ENOMEM;
  static const auto real = Real(&mdb_put, "mdb_put");
  return real(transaction, table, key, value, flags);
}

}  // extern "C"

namespace diptych {
namespace {

void Arm(int64_t first, int64_t count) {
  call_count = 0;
  failure_count = 0;
  first_failing = first;
  failures_left = count;
}

}  // namespace

std::unique_ptr<AllocationFaults> AllocationFaults::FailAllocations(
    int64_t first, int64_t count) {
  std::unique_ptr<AllocationFaults> faults(new AllocationFaults);
  Arm(first, first == 0 ? 0 : count);
  allocations_armed = true;
  return faults;
}

std::unique_ptr<AllocationFaults> AllocationFaults::FailForEver(int64_t first) {
  return FailAllocations(first, std::numeric_limits<int64_t>::max());
}

std::unique_ptr<AllocationFaults> AllocationFaults::FailLmdb(int64_t first) {
  std::unique_ptr<AllocationFaults> faults(new AllocationFaults);
  Arm(first, 0);
  lmdb_armed = true;
  return faults;
}

AllocationFaults::~AllocationFaults() {
  allocations_armed = false;
  lmdb_armed = false;
}

int64_t AllocationFaults::calls() const { return call_count; }
int64_t AllocationFaults::failed() const { return failure_count; }

}  // namespace diptych
