// Tells ThreadSanitizer about Abseil's locks and gRPC's completions.
//
// Distributions build Abseil without ThreadSanitizer, which therefore does not
// see that an absl::Mutex orders anything, and reports every field guarded by
// one as a race. The functions below take the place of Abseil's in the linked
// program, call the originals, and state the order: unlocking releases, locking
// acquires. Only the tsan preset compiles this file.
//
// Conditions are also evaluated by the thread that unlocks, after its release
// is stated; their reads are left out of the analysis.
//
// gRPC's completions are stated in the same way: what a thread did before it
// started an operation comes before what the thread does that gets a
// completion. That orders more than gRPC does, and so may hide a race between
// two calls, but never invents one.
#include <dlfcn.h>
#include <grpc/grpc.h>

#include <cstdio>
#include <cstdlib>

#include "absl/base/config.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

#define DIPTYCH_TEXT_INNER(text) #text
#define DIPTYCH_TEXT(text) DIPTYCH_TEXT_INNER(text)

// Abseil's own definition of a member, given the parts of its mangled name
// before and after the namespaces (Itanium C++ ABI, section 5.1).
template <typename Function>
Function Original(const char* prefix, const char* member) {
  char name[256];
#if ABSL_OPTION_USE_INLINE_NAMESPACE
  constexpr char kInline[] = DIPTYCH_TEXT(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  snprintf(name, sizeof(name), "%s4absl%zu%s%s", prefix, sizeof(kInline) - 1,
           kInline, member);
#else
  snprintf(name, sizeof(name), "%s4absl%s", prefix, member);
#endif
  void* const function = dlsym(RTLD_NEXT, name);
  if (function == nullptr) {
    fprintf(stderr, "Abseil has no %s\n", name);
    abort();
  }
  return reinterpret_cast<Function>(function);
}

// Member functions take `this` as first argument.
#define DIPTYCH_ORIGINAL(type, member) \
  static const auto original = Original<type>("_ZN", member)

// Stands for the hand-overs inside gRPC.
int grpc_operations;

void Acquired(absl::Mutex* mutex) { __tsan_acquire(mutex); }
void Releasing(absl::Mutex* mutex) { __tsan_release(mutex); }

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  DIPTYCH_ORIGINAL(void (*)(Mutex*), "5Mutex4LockEv");
  original(this);
  Acquired(this);
}

void Mutex::Unlock() {
  DIPTYCH_ORIGINAL(void (*)(Mutex*), "5Mutex6UnlockEv");
  Releasing(this);
  original(this);
}

bool Mutex::TryLock() {
  DIPTYCH_ORIGINAL(bool (*)(Mutex*), "5Mutex7TryLockEv");
  const bool locked = original(this);
  if (locked) Acquired(this);
  return locked;
}

void Mutex::ReaderLock() {
  DIPTYCH_ORIGINAL(void (*)(Mutex*), "5Mutex10ReaderLockEv");
  original(this);
  Acquired(this);
}

void Mutex::ReaderUnlock() {
  DIPTYCH_ORIGINAL(void (*)(Mutex*), "5Mutex12ReaderUnlockEv");
  Releasing(this);
  original(this);
}

void Mutex::Await(const Condition& condition) {
  DIPTYCH_ORIGINAL(void (*)(Mutex*, const Condition&),
                   "5Mutex5AwaitERKNS0_9ConditionE");
  Releasing(this);
  original(this, condition);
  Acquired(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  DIPTYCH_ORIGINAL(bool (*)(Mutex*, const Condition&, Duration),
                   "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  Releasing(this);
  const bool result = original(this, condition, timeout);
  Acquired(this);
  return result;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  DIPTYCH_ORIGINAL(bool (*)(Mutex*, const Condition&, Time),
                   "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  Releasing(this);
  const bool result = original(this, condition, deadline);
  Acquired(this);
  return result;
}

void Mutex::LockWhen(const Condition& condition) {
  DIPTYCH_ORIGINAL(void (*)(Mutex*, const Condition&),
                   "5Mutex8LockWhenERKNS0_9ConditionE");
  original(this, condition);
  Acquired(this);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  DIPTYCH_ORIGINAL(
      bool (*)(Mutex*, const Condition&, Duration),
      "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  const bool result = original(this, condition, timeout);
  Acquired(this);
  return result;
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  DIPTYCH_ORIGINAL(bool (*)(Mutex*, const Condition&, Time),
                   "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  const bool result = original(this, condition, deadline);
  Acquired(this);
  return result;
}

void Mutex::ReaderLockWhen(const Condition& condition) {
  DIPTYCH_ORIGINAL(void (*)(Mutex*, const Condition&),
                   "5Mutex14ReaderLockWhenERKNS0_9ConditionE");
  original(this, condition);
  Acquired(this);
}

void CondVar::Wait(Mutex* mutex) {
  DIPTYCH_ORIGINAL(void (*)(CondVar*, Mutex*), "7CondVar4WaitEPNS0_5MutexE");
  Releasing(mutex);
  original(this, mutex);
  Acquired(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  DIPTYCH_ORIGINAL(bool (*)(CondVar*, Mutex*, Duration),
                   "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  Releasing(mutex);
  const bool result = original(this, mutex, timeout);
  Acquired(mutex);
  return result;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  DIPTYCH_ORIGINAL(bool (*)(CondVar*, Mutex*, Time),
                   "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  Releasing(mutex);
  const bool result = original(this, mutex, deadline);
  Acquired(mutex);
  return result;
}

bool Condition::Eval() const {
  static const auto original =
      Original<bool (*)(const Condition*)>("_ZNK", "9Condition4EvalEv");
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  const bool result = original(this);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  return result;
}

void Notification::Notify() {
  DIPTYCH_ORIGINAL(void (*)(Notification*), "12Notification6NotifyEv");
  __tsan_release(this);
  original(this);
}

void Notification::WaitForNotification() const {
  static const auto original = Original<void (*)(const Notification*)>(
      "_ZNK", "12Notification19WaitForNotificationEv");
  original(this);
  __tsan_acquire(const_cast<Notification*>(this));
}

ABSL_NAMESPACE_END
}  // namespace absl

extern "C" {

grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops,
                                      size_t count, void* tag, void* reserved) {
  static const auto original =
      reinterpret_cast<decltype(&grpc_call_start_batch)>(
          dlsym(RTLD_NEXT, "grpc_call_start_batch"));
  __tsan_release(&grpc_operations);
  return original(call, ops, count, tag, reserved);
}

grpc_event grpc_completion_queue_next(grpc_completion_queue* queue,
                                      gpr_timespec deadline, void* reserved) {
  static const auto original =
      reinterpret_cast<decltype(&grpc_completion_queue_next)>(
          dlsym(RTLD_NEXT, "grpc_completion_queue_next"));
  const grpc_event event = original(queue, deadline, reserved);
  __tsan_acquire(&grpc_operations);
  return event;
}

// What calls that block, as a synchronous client's, wait on.
grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag,
                                       gpr_timespec deadline, void* reserved) {
  static const auto original =
      reinterpret_cast<decltype(&grpc_completion_queue_pluck)>(
          dlsym(RTLD_NEXT, "grpc_completion_queue_pluck"));
  const grpc_event event = original(queue, tag, deadline, reserved);
  __tsan_acquire(&grpc_operations);
  return event;
}

}  // extern "C"
