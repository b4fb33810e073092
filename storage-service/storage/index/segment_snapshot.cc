#include "storage/index/segment_snapshot.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <thread>
#include <utility>

#include "common/status/status_macros.h"
#include "storage/index/links_snapshot.h"

namespace diptych::storage {
namespace {

// A part is read by a thread of its own.
constexpr size_t kRowsPerPart = 4096;
// To be raised when rows or links of the same settings come to mean something
// else.
constexpr uint32_t kSegmentForm = 2;

// One vector to be brought into its row.
struct WantedRow {
  Slot slot = 0;
  size_t row = 0;
  std::byte* place = nullptr;
  bool found = false;
};

// Brings full vectors into their rows, with several threads.
absl::Status ReadWantedRows(const VectorIndexOptions& options,
                            const VectorEncoding& encoding,
                            VectorSource& source,
                            std::vector<WantedRow>& wanted) {
  std::sort(
      wanted.begin(), wanted.end(),
      [](const WantedRow& a, const WantedRow& b) { return a.slot < b.slot; });
  const auto twice = std::adjacent_find(
      wanted.begin(), wanted.end(),
      [](const WantedRow& a, const WantedRow& b) { return a.slot == b.slot; });
  if (twice != wanted.end()) {
    return absl::DataLossError("two rows of an index are of one slot");
  }
  const size_t parts =
      std::clamp<size_t>(wanted.size() / kRowsPerPart, 1,
                         std::max(1u, std::thread::hardware_concurrency()));
  std::vector<absl::Status> statuses(parts);
  const auto read_part = [&](size_t part) {
    WantedRow* const first = wanted.data() + wanted.size() * part / parts;
    WantedRow* const end = wanted.data() + wanted.size() * (part + 1) / parts;
    std::vector<Slot> slots;
    slots.reserve(end - first);
    for (const WantedRow* row = first; row != end; ++row) {
      slots.push_back(row->slot);
    }
    std::vector<float> prepared(options.dimension);
    statuses[part] = source.Read(slots, [&](size_t position,
                                            absl::Span<const float> vector) {
      // What an index would not take was never in it.
      if (!PrepareVectorInto(options.metric, vector, absl::MakeSpan(prepared))
               .ok()) {
        return;
      }
      encoding.Encode(prepared.data(), first[position].place);
      first[position].found = true;
    });
  };
  std::vector<std::thread> threads;
  for (size_t part = 1; part < parts; ++part) {
    threads.emplace_back(read_part, part);
  }
  read_part(0);
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : statuses) {
    DIPTYCH_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

class SegmentLoader {
 public:
  SegmentLoader(const VectorIndexOptions& options,
                const DistanceFunction& distance, const SlotSet& live,
                VectorSource& source, SectionReader& reader)
      : options_(options),
        distance_(distance),
        live_(live),
        source_(source),
        reader_(reader) {}

  absl::Status Load(LoadedSegments& loaded) {
    uint8_t has_graph = 0;
    uint64_t count = 0;
    std::vector<Slot> slots;
    if (!reader_.Number(has_graph) ||
        !reader_.Count(count, reader_.remaining()) ||
        !LoadDistances(count, reader_, slots)) {
      return reader_.status();
    }
    const size_t row_bytes = distance_.encoding().row_bytes();
    auto rows = std::make_unique<VectorRows>(row_bytes, count);
    std::vector<WantedRow> wanted;
    for (size_t row = 0; row < count; ++row) {
      std::byte* const place = rows->AppendEmpty(slots[row]);
      if (live_.Contains(slots[row])) {
        wanted.push_back({slots[row], row, place, false});
        continue;
      }
      rows->MarkDead(row);
      if (!reader_.Bytes(place, row_bytes)) return reader_.status();
    }
    DIPTYCH_RETURN_IF_ERROR(
        ReadWantedRows(options_, distance_.encoding(), source_, wanted));
    for (const WantedRow& row : wanted) {
      if (row.found) continue;
      rows->MarkDead(row.row);
      loaded.missing.Add(row.slot);
    }
    if (has_graph == 0) {
      loaded.fresh.push_back(std::move(rows));
      return absl::OkStatus();
    }
    HnswLinks links;
    if (!LoadLinks(count, reader_, links)) return reader_.status();
    TakeFromNeighbors(links, wanted, *rows);
    Segment segment;
    segment.rows = std::move(rows);
    segment.directory = std::make_shared<const SlotDirectory>(*segment.rows);
    segment.graph =
        HnswGraph::Restore(segment.rows, distance_, std::move(links));
    loaded.built.push_back(std::move(segment));
    return absl::OkStatus();
  }

 private:
  static void TakeFromNeighbors(const HnswLinks& links,
                                const std::vector<WantedRow>& wanted,
                                const VectorRows& rows) {
    std::vector<bool> missing;
    for (const WantedRow& row : wanted) {
      if (row.found) continue;
      missing.resize(rows.count());
      missing[row.row] = true;
    }
    if (missing.empty()) return;
    for (const WantedRow& row : wanted) {
      if (row.found) continue;
      for (const uint32_t neighbor :
           links.layers[0].NeighborsOf(static_cast<uint32_t>(row.row))) {
        if (missing[neighbor]) continue;
        std::memcpy(row.place, rows.row(neighbor), rows.row_bytes());
        break;
      }
    }
  }

  const VectorIndexOptions& options_;
  const DistanceFunction& distance_;
  const SlotSet& live_;
  VectorSource& source_;
  SectionReader& reader_;
};

}  // namespace

std::vector<const VectorRows*> LoadedSegments::FreshRows() const {
  std::vector<const VectorRows*> rows;
  for (const auto& one : fresh) rows.push_back(one.get());
  return rows;
}

void SaveSegments(const VectorIndexOptions& options,
                  const VectorEncoding& encoding, const Segments& segments,
                  const SlotSet& live, SectionWriter& writer) {
  writer.Number(kSegmentForm);
  writer.Number(static_cast<uint32_t>(encoding.row_bytes()));
  writer.Number(static_cast<uint8_t>(options.metric));
  writer.Number(static_cast<uint8_t>(options.precision));
  writer.Number(options.dimension);
  writer.Number(options.hnsw.max_neighbors);
  writer.Number(options.hnsw.ef_construction);
  writer.Varint(segments.size());
  for (const Segment& segment : segments) {
    const VectorRows& rows = *segment.rows;
    const bool has_graph = segment.graph != nullptr;
    std::vector<size_t> numbers;
    for (size_t row = 0, count = rows.count(); row < count; ++row) {
      if (has_graph || live.Contains(rows.slot(row))) numbers.push_back(row);
    }
    writer.Number(static_cast<uint8_t>(has_graph));
    std::vector<Slot> slots;
    slots.reserve(numbers.size());
    for (const size_t row : numbers) slots.push_back(rows.slot(row));
    writer.Varint(slots.size());
    SaveDistances(slots, writer);
    for (const size_t row : numbers) {
      if (!live.Contains(rows.slot(row))) {
        writer.Bytes(rows.row(row), rows.row_bytes());
      }
    }
    if (has_graph) SaveLinks(segment.graph->links(), writer);
  }
}

absl::StatusOr<LoadedSegments> LoadSegments(const VectorIndexOptions& options,
                                            const DistanceFunction& distance,
                                            const SlotSet& live,
                                            VectorSource& source,
                                            SectionReader& reader) {
  uint8_t metric = 0, precision = 0;
  uint32_t form = 0, row_bytes = 0;
  uint32_t dimension = 0, max_neighbors = 0, ef_construction = 0;
  uint64_t segments = 0;
  if (!reader.Number(form) || !reader.Number(row_bytes) ||
      !reader.Number(metric) || !reader.Number(precision) ||
      !reader.Number(dimension) || !reader.Number(max_neighbors) ||
      !reader.Number(ef_construction) ||
      !reader.Count(segments, reader.remaining())) {
    return reader.status();
  }
  if (form != kSegmentForm || row_bytes != distance.encoding().row_bytes() ||
      metric != static_cast<uint8_t>(options.metric) ||
      precision != static_cast<uint8_t>(options.precision) ||
      dimension != options.dimension ||
      max_neighbors != options.hnsw.max_neighbors ||
      ef_construction != options.hnsw.ef_construction) {
    return absl::FailedPreconditionError(
        "the index was saved with other settings than the collection has");
  }
  LoadedSegments loaded;
  SegmentLoader loader(options, distance, live, source, reader);
  for (uint64_t i = 0; i < segments; ++i) {
    DIPTYCH_RETURN_IF_ERROR(loader.Load(loaded));
  }
  DIPTYCH_RETURN_IF_ERROR(reader.Finish());
  return loaded;
}

}  // namespace diptych::storage
