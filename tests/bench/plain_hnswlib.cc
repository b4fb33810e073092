#include "tests/bench/plain_hnswlib.h"

// The index of ours instantiates hnswlib's templates, too, with other kernels;
// under one name the linker would take either for both.
#define hnswlib plain_hnswlib
#include <hnswlib/hnswlib.h>
#undef hnswlib

namespace diptych {

struct PlainHnswlib::Graph {
  Graph(size_t dimension, size_t capacity, size_t max_neighbors,
        size_t ef_construction)
      : space(dimension),
        index(&space, capacity, max_neighbors, ef_construction) {}

  plain_hnswlib::InnerProductSpace space;
  plain_hnswlib::HierarchicalNSW<float> index;
};

PlainHnswlib::PlainHnswlib(size_t dimension, size_t capacity,
                           size_t max_neighbors, size_t ef_construction)
    : graph_(std::make_unique<Graph>(dimension, capacity, max_neighbors,
                                     ef_construction)) {}

PlainHnswlib::~PlainHnswlib() = default;

void PlainHnswlib::Add(uint32_t row, const float* vector) {
  graph_->index.addPoint(vector, row);
}

std::vector<uint32_t> PlainHnswlib::Search(const float* query, size_t k,
                                           size_t ef) const {
  graph_->index.setEf(ef);
  auto found = graph_->index.searchKnn(query, k);
  std::vector<uint32_t> rows;
  for (; !found.empty(); found.pop()) {
    rows.push_back(static_cast<uint32_t>(found.top().second));
  }
  return rows;
}

}  // namespace diptych
