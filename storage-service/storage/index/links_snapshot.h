// The links of a graph as bytes (docs/storage_format.md).
//
// Operation: neighbours are numbers below that of the layer's nodes, and take
// as many bits as the greatest of those does, one behind the other; numbers
// that ascend as a rule are written as the distance from the one before.
// Concurrency: pure functions.
// Limits: those of HnswLinks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "storage/index/hnsw_links.h"
#include "storage/section_file/section_reader.h"
#include "storage/section_file/section_writer.h"

namespace diptych::storage {

void SaveLinks(const HnswLinks& links, SectionWriter& writer);
// False: the reader says why. Every number in the links is in range.
bool LoadLinks(size_t rows, SectionReader& reader, HnswLinks& links);

// A byte each where they follow one another, in any order.
void SaveDistances(absl::Span<const uint32_t> numbers, SectionWriter& writer);
// False: the reader says why.
bool LoadDistances(size_t count, SectionReader& reader,
                   std::vector<uint32_t>& numbers);

}  // namespace diptych::storage
