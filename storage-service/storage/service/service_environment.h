// What the four gRPC services of storage share.
#pragma once

#include "absl/status/status.h"
#include "common/concurrency/executor.h"
#include "common/memory/memory_reserve.h"
#include "common/observability/metrics.h"
#include "common/rpc/rpc_metrics.h"
#include "common/rpc/unary_call.h"
#include "storage/engine/engine.h"
#include "storage/engine/vectorizer.h"
#include "storage/thumbnail/thumbnail_maker.h"

namespace diptych::storage {

// Everything outlives the services. The executors are apart so that calls which
// wait for the inference service, or for the disk, never keep others from being
// answered.
struct ServiceEnvironment {
  Engine& engine;
  // Null: the server runs without an inference service.
  Vectorizer* vectorizer;
  // Searches and reads that need the processor and memory only.
  Executor& reads;
  // Searches that wait for the inference service first.
  Executor& vectorized_reads;
  // Writes of objects that bring their vectors, and changes of collections.
  Executor& writes;
  // Writes of objects whose vectors must be made first.
  Executor& vectorized_writes;
  // What imports read, and their commits; at most two tasks of each at a time.
  Executor& imports;
  MetricsRegistry& metrics;
  // Null: answers carry no thumbnails.
  ThumbnailMaker* thumbnails = nullptr;
  // Null: nothing is refused for want of memory.
  MemoryReserve* memory_reserve = nullptr;

  // Asked by calls that take memory in proportion to what they bring.
  // RESOURCE_EXHAUSTED, as MemoryReserve::Admit.
  absl::Status AdmitMemory() const {
    return memory_reserve == nullptr ? absl::OkStatus()
                                     : memory_reserve->Admit();
  }
};

}  // namespace diptych::storage
