#include "storage/index/links_snapshot.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace diptych::storage {
namespace {

// 0 where there is one node: its number needs none.
int BitsOfNodes(size_t nodes) { return std::bit_width(nodes - 1); }

// Numbers of equal width one behind the other, the lowest bits first, in whole
// words.
class BitWriter {
 public:
  explicit BitWriter(SectionWriter& writer) : writer_(writer) {}

  void Write(uint32_t number, int bits) {
    word_ |= uint64_t{number} << used_;
    used_ += bits;
    if (used_ < 64) return;
    writer_.Number(word_);
    used_ -= 64;
    word_ = used_ == 0 ? 0 : uint64_t{number} >> (bits - used_);
  }
  // Must be called at the end.
  void Finish() {
    if (used_ > 0) writer_.Number(word_);
  }

 private:
  SectionWriter& writer_;
  uint64_t word_ = 0;
  int used_ = 0;
};

class BitReader {
 public:
  explicit BitReader(SectionReader& reader) : reader_(reader) {}

  bool Read(int bits, uint32_t& number) {
    uint64_t read = word_;
    if (left_ < bits) {
      if (!reader_.Number(word_)) return false;
      read |= word_ << left_;
      // A width is 32 bits at most, so what is shifted out is less than a word.
      word_ >>= bits - left_;
      left_ += 64;
    } else {
      word_ >>= bits;
    }
    left_ -= bits;
    number = static_cast<uint32_t>(read & ((uint64_t{1} << bits) - 1));
    return true;
  }

 private:
  SectionReader& reader_;
  uint64_t word_ = 0;  // what is left, in its lowest bits
  int left_ = 0;
};

bool Beyond(const std::vector<uint32_t>& values, size_t end) {
  return std::any_of(values.begin(), values.end(),
                     [end](uint32_t value) { return value >= end; });
}

void SaveLayer(const HnswLinks::Layer& layer, SectionWriter& writer) {
  const size_t nodes = layer.offsets.size() - 1;
  writer.Varint(nodes);
  SaveDistances(layer.rows, writer);
  SaveDistances(layer.below, writer);
  for (uint32_t node = 0; node < nodes; ++node) {
    writer.Varint(layer.NeighborsOf(node).size());
  }
  const int bits = BitsOfNodes(nodes);
  BitWriter packed(writer);
  for (const uint32_t neighbor : layer.neighbors) packed.Write(neighbor, bits);
  packed.Finish();
}

// Of one layer; `below` is the number of nodes of the one below, or of rows.
bool LoadLayer(size_t below, SectionReader& reader, bool lowest,
               HnswLinks::Layer& layer) {
  uint64_t nodes;
  if (!reader.Count(nodes, below)) return false;
  if (nodes == 0) return reader.Fail("a layer of a graph is empty");
  if (!lowest && (!LoadDistances(nodes, reader, layer.rows) ||
                  !LoadDistances(nodes, reader, layer.below))) {
    return false;
  }
  layer.offsets.resize(nodes + 1);
  uint64_t total = 0;
  for (size_t node = 0; node < nodes; ++node) {
    uint64_t degree;
    if (!reader.Count(degree, std::numeric_limits<uint16_t>::max())) {
      return false;
    }
    total += degree;
    if (total > std::numeric_limits<uint32_t>::max()) {
      return reader.Fail("a graph has more links than it can");
    }
    layer.offsets[node + 1] = static_cast<uint32_t>(total);
  }
  const int bits = BitsOfNodes(nodes);
  if (total * bits / 8 > reader.remaining()) {
    return reader.Fail("a list is longer than its section");
  }
  layer.neighbors.resize(total);
  BitReader packed(reader);
  for (uint32_t& neighbor : layer.neighbors) {
    if (!packed.Read(bits, neighbor)) return false;
  }
  if (Beyond(layer.neighbors, nodes) || Beyond(layer.below, below)) {
    return reader.Fail("a link leads out of its graph");
  }
  return true;
}

}  // namespace

void SaveDistances(absl::Span<const uint32_t> numbers, SectionWriter& writer) {
  uint32_t before = 0;
  for (const uint32_t number : numbers) {
    const auto distance = static_cast<int32_t>(number - before);
    // 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
    writer.Varint(static_cast<uint32_t>(distance) << 1 ^
                  static_cast<uint32_t>(distance >> 31));
    before = number;
  }
}

bool LoadDistances(size_t count, SectionReader& reader,
                   std::vector<uint32_t>& numbers) {
  // A byte each at the least.
  if (count > reader.remaining()) {
    return reader.Fail("a list is longer than its section");
  }
  numbers.resize(count);
  uint32_t before = 0;
  for (uint32_t& number : numbers) {
    uint64_t value;
    if (!reader.Count(value, std::numeric_limits<uint32_t>::max())) {
      return false;
    }
    const auto zigzag = static_cast<uint32_t>(value);
    number = before + (zigzag >> 1 ^ (0 - (zigzag & 1)));
    before = number;
  }
  return true;
}

void SaveLinks(const HnswLinks& links, SectionWriter& writer) {
  writer.Varint(links.layers.size());
  for (const HnswLinks::Layer& layer : links.layers) SaveLayer(layer, writer);
  writer.Varint(links.entry_node);
}

bool LoadLinks(size_t rows, SectionReader& reader, HnswLinks& links) {
  uint64_t layers, entry;
  if (!reader.Count(layers, reader.remaining())) return false;
  if (layers == 0) return reader.Fail("a graph has no layers");
  size_t below = rows;
  for (uint64_t level = 0; level < layers; ++level) {
    HnswLinks::Layer layer;
    if (!LoadLayer(below, reader, level == 0, layer)) return false;
    below = layer.offsets.size() - 1;
    if ((level == 0 && below != rows) || Beyond(layer.rows, rows)) {
      return reader.Fail("a graph is not of its rows");
    }
    links.layers.push_back(std::move(layer));
  }
  if (!reader.Count(entry, below - 1)) return false;
  links.entry_node = static_cast<uint32_t>(entry);
  return true;
}

}  // namespace diptych::storage
