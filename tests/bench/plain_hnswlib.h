// hnswlib as it comes: the index that others build on, to measure against.
//
// Operation: compiled for the processor of the machine that builds, so with its
// fastest kernels.
// Concurrency: Search may run in several threads.
// Limits: exceptions of hnswlib end the benchmark.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace diptych {

class PlainHnswlib {
 public:
  PlainHnswlib(size_t dimension, size_t capacity, size_t max_neighbors,
               size_t ef_construction);
  ~PlainHnswlib();

  // `vector` has length 1.
  void Add(uint32_t row, const float* vector);
  // In no order.
  std::vector<uint32_t> Search(const float* query, size_t k, size_t ef) const;

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
};

}  // namespace diptych
