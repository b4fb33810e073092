// Limits of the storage service. Every one has an error that names it and is
// listed by AdminService.ServerInfo.
#pragma once

#include <cstddef>
#include <cstdint>

namespace diptych::storage {

struct Limits {
  // Ids of objects: any UTF-8, this many bytes.
  static constexpr size_t kObjectIdBytesMax = 256;
  // Names of collections follow Chroma:
  // [a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9], no "..", no IPv4 address.
  static constexpr size_t kCollectionNameBytesMin = 3;
  static constexpr size_t kCollectionNameBytesMax = 512;
  // Names of properties and of vector spaces: any UTF-8, this many bytes, not
  // starting with '#' or '$'.
  static constexpr size_t kPropertyNameBytesMax = 256;
  static constexpr size_t kVectorSpacesPerCollectionMax = 16;

  size_t collections_max = 10'000;
  size_t snapshots_max = 1'000;
  size_t objects_per_batch_max = 10'000;
  size_t properties_per_object_max = 256;
  // One object without the bytes of its images.
  size_t object_bytes_max = 1 << 20;
  size_t image_bytes_max = 32 << 20;
  // Images that one write loads from URIs, together.
  size_t uri_bytes_per_write_max = 256 << 20;
  // top_k and offset together.
  size_t results_max = 10'000;
  // Imports at a time; more are refused.
  size_t import_streams_max = 64;
  // Chunks and bytes that one import has sent and that are not acknowledged,
  // and bytes of all imports: beyond them no more is read for now. One message
  // per import may come on top.
  size_t import_stream_chunks_max = 1'024;
  size_t import_stream_bytes_max = 64 << 20;
  size_t import_bytes_max = 512 << 20;
  size_t filter_depth_max = 32;
  size_t filter_nodes_max = 10'000;
  // Of a search by words: its text, and the different words in it.
  size_t keyword_text_bytes_max = 64 << 10;
  size_t keyword_terms_max = 256;
  size_t vector_dimension_max = 16'384;
  size_t page_size_default = 100;
  size_t page_size_max = 1'000;
  // An answer is cut (and continued by a page token) before it grows beyond
  // this.
  size_t page_bytes_max = 3 << 20;
  // An answer that cannot be cut (objects by ids, search hits) is refused
  // beyond this.
  size_t answer_bytes_max = 60 << 20;
};

}  // namespace diptych::storage
