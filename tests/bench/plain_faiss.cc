#include "tests/bench/plain_faiss.h"

#if defined(DIPTYCH_WITH_FAISS)
#include <faiss/IndexHNSW.h>
#include <omp.h>

#include <memory>

#include "tests/bench/thread_clock.h"
#endif

namespace diptych {

#if defined(DIPTYCH_WITH_FAISS)

std::optional<Contender> BuildPlainFaiss(
    const BenchmarkData& data, const storage::HnswSettings& settings) {
  omp_set_num_threads(1);
  Contender contender;
  contender.name = "faiss";
  const size_t before = ResidentBytes();
  const double start = ThreadSeconds();
  auto index = std::make_shared<faiss::IndexHNSWFlat>(
      static_cast<int>(data.dimension),
      static_cast<int>(settings.max_neighbors), faiss::METRIC_INNER_PRODUCT);
  index->hnsw.efConstruction = static_cast<int>(settings.ef_construction);
  index->add(static_cast<faiss::Index::idx_t>(data.row_count),
             data.rows.data());
  contender.build_seconds = ThreadSeconds() - start;
  contender.memory_bytes = ResidentBytes() - before;
  contender.search = [index](const float* query, size_t ef) {
    index->hnsw.efSearch = static_cast<int>(ef);
    float distances[kNearest];
    faiss::Index::idx_t labels[kNearest];
    index->search(1, query, kNearest, distances, labels);
    std::vector<uint32_t> rows;
    for (const faiss::Index::idx_t label : labels) {
      if (label >= 0) rows.push_back(static_cast<uint32_t>(label));
    }
    return rows;
  };
  return contender;
}

#else

std::optional<Contender> BuildPlainFaiss(const BenchmarkData&,
                                         const storage::HnswSettings&) {
  return std::nullopt;
}

#endif

}  // namespace diptych
