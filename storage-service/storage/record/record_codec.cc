#include "storage/record/record_codec.h"

#include <xxhash.h>

#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "storage/record/byte_codec.h"
#include "storage/record/property_codec.h"

namespace diptych::storage {
namespace {

constexpr size_t kChecksumBytes = sizeof(uint64_t);

uint64_t Checksum(absl::string_view key, absl::string_view bytes) {
  const uint64_t seed = XXH3_64bits(key.data(), key.size());
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

absl::string_view TableName(Table table) {
  switch (table) {
    case Table::kMeta:
      return "meta";
    case Table::kCollections:
      return "collections";
    case Table::kObjects:
      return "objects";
    case Table::kIds:
      return "ids";
    case Table::kVectors:
      return "vectors";
    case Table::kImages:
      return "images";
    case Table::kImageReferences:
      return "image_references";
    case Table::kChanges:
      return "changes";
  }
  return "unknown";
}

absl::Status Damaged(Table table, absl::string_view key,
                     absl::string_view what) {
  return absl::DataLossError(absl::StrCat(
      "a stored record is damaged (", what,
      "); restore it from a copy, or delete it and write it again: table ",
      TableName(table), ", key 0x", absl::BytesToHexString(key)));
}

// Decodes one payload with `read`, which must consume all of it.
template <typename T, typename Read>
absl::StatusOr<T> Decode(RecordKind kind, Table table, absl::string_view key,
                         absl::string_view record, Read read) {
  DIPTYCH_ASSIGN_OR_RETURN(absl::string_view payload,
                           OpenRecord(kind, table, key, record));
  ByteReader reader(payload);
  T value{};
  if (!read(reader, value) || !reader.empty()) {
    return Damaged(table, key, "its content has another form than its kind");
  }
  return value;
}

void WriteFields(const std::vector<WeightedField>& fields, ByteWriter& writer) {
  writer.Integer(static_cast<uint32_t>(fields.size()));
  for (const WeightedField& field : fields) {
    writer.String(field.property);
    writer.Double(field.weight);
  }
}

bool ReadUriImages(ByteReader& reader, UriImages& uri_images) {
  uint8_t number;
  if (!reader.Integer(number)) return false;
  uri_images = static_cast<UriImages>(number);
  return uri_images == UriImages::kReferenceOnly ||
         uri_images == UriImages::kKeepBytes;
}

bool ReadFields(ByteReader& reader, std::vector<WeightedField>& fields) {
  uint32_t count;
  if (!reader.Integer(count)) return false;
  for (uint32_t i = 0; i < count; ++i) {
    WeightedField field;
    if (!reader.String(field.property) || !reader.Double(field.weight)) {
      return false;
    }
    fields.push_back(std::move(field));
  }
  return true;
}

void WriteSpace(const VectorSpace& space, ByteWriter& writer) {
  writer.String(space.name);
  writer.Integer(static_cast<uint8_t>(space.metric));
  writer.Integer(space.dimension);
  writer.Integer(space.hnsw.max_neighbors);
  writer.Integer(space.hnsw.ef_construction);
  writer.Integer(space.hnsw.ef_search);
  writer.Integer(static_cast<uint8_t>(space.precision));
  writer.Integer(static_cast<uint8_t>(space.has_vectorizer));
  writer.String(space.vectorizer.model);
  WriteFields(space.vectorizer.text_fields, writer);
  WriteFields(space.vectorizer.image_fields, writer);
}

bool ReadSpace(ByteReader& reader, VectorSpace& space) {
  uint8_t metric, precision;
  if (!reader.String(space.name) || !reader.Integer(metric) ||
      !reader.Integer(space.dimension) ||
      !reader.Integer(space.hnsw.max_neighbors) ||
      !reader.Integer(space.hnsw.ef_construction) ||
      !reader.Integer(space.hnsw.ef_search) || !reader.Integer(precision) ||
      !reader.Bool(space.has_vectorizer) ||
      !reader.String(space.vectorizer.model) ||
      !ReadFields(reader, space.vectorizer.text_fields) ||
      !ReadFields(reader, space.vectorizer.image_fields)) {
    return false;
  }
  if (metric < 1 || metric > 3 || precision < 1 || precision > 3) return false;
  space.metric = static_cast<Metric>(metric);
  space.precision = static_cast<VectorPrecision>(precision);
  return true;
}

std::string ObjectPayload(const ObjectRecord& object) {
  ByteWriter writer;
  writer.String(object.id);
  writer.Integer(object.create_time.unix_microseconds);
  writer.Integer(object.update_time.unix_microseconds);
  WriteProperties(object.properties, writer);
  writer.Integer(static_cast<uint8_t>(object.vectors.size()));
  for (const ObjectRecord::VectorEntry& entry : object.vectors) {
    writer.Integer(entry.space);
    writer.Integer(entry.dimension);
    writer.Integer(static_cast<uint8_t>(entry.made));
  }
  return std::move(writer).Take();
}

bool ReadObjectHead(ByteReader& reader, ObjectRecord& object) {
  return reader.String(object.id) &&
         reader.Integer(object.create_time.unix_microseconds) &&
         reader.Integer(object.update_time.unix_microseconds);
}

}  // namespace

std::string SealRecord(RecordKind kind, absl::string_view key,
                       absl::string_view payload) {
  std::string record;
  record.reserve(1 + payload.size() + kChecksumBytes);
  record.push_back(static_cast<char>(kind));
  record.append(payload.data(), payload.size());
  const uint64_t checksum = Checksum(key, record);
  record.append(reinterpret_cast<const char*>(&checksum), kChecksumBytes);
  return record;
}

absl::StatusOr<absl::string_view> OpenRecord(RecordKind kind, Table table,
                                             absl::string_view key,
                                             absl::string_view record) {
  if (record.size() < 1 + kChecksumBytes) {
    return Damaged(table, key, "it is cut short");
  }
  const absl::string_view body =
      record.substr(0, record.size() - kChecksumBytes);
  uint64_t checksum;
  std::memcpy(&checksum, record.data() + body.size(), kChecksumBytes);
  if (checksum != Checksum(key, body)) {
    return Damaged(table, key, "its checksum does not match");
  }
  if (static_cast<uint8_t>(body[0]) != static_cast<uint8_t>(kind)) {
    return Damaged(table, key, "it is of another kind");
  }
  return body.substr(1);
}

std::string EncodeFormat(absl::string_view key, uint32_t version) {
  ByteWriter writer;
  writer.Integer(version);
  return SealRecord(RecordKind::kFormat, key, writer.bytes());
}

absl::StatusOr<uint32_t> DecodeFormat(absl::string_view key,
                                      absl::string_view record) {
  return Decode<uint32_t>(RecordKind::kFormat, Table::kMeta, key, record,
                          [](ByteReader& reader, uint32_t& version) {
                            return reader.Integer(version);
                          });
}

std::string EncodeNumber(absl::string_view key, uint64_t number) {
  ByteWriter writer;
  writer.Integer(number);
  return SealRecord(RecordKind::kNumber, key, writer.bytes());
}

absl::StatusOr<uint64_t> DecodeNumber(absl::string_view key,
                                      absl::string_view record) {
  return Decode<uint64_t>(RecordKind::kNumber, Table::kMeta, key, record,
                          [](ByteReader& reader, uint64_t& number) {
                            return reader.Integer(number);
                          });
}

std::string EncodeCollection(absl::string_view key,
                             const Collection& collection) {
  ByteWriter writer;
  writer.Integer(collection.id);
  writer.String(collection.uid);
  writer.String(collection.spec.name);
  writer.Integer(collection.create_time.unix_microseconds);
  writer.Integer(collection.update_time.unix_microseconds);
  writer.Integer(static_cast<uint8_t>(collection.spec.vector_spaces.size()));
  for (const VectorSpace& space : collection.spec.vector_spaces) {
    WriteSpace(space, writer);
  }
  WriteProperties(collection.spec.metadata, writer);
  writer.Integer(static_cast<uint8_t>(collection.spec.uri_images));
  return SealRecord(RecordKind::kCollection, key, writer.bytes());
}

absl::StatusOr<Collection> DecodeCollection(absl::string_view key,
                                            absl::string_view record) {
  return Decode<Collection>(
      RecordKind::kCollection, Table::kCollections, key, record,
      [](ByteReader& reader, Collection& collection) {
        uint8_t spaces;
        if (!reader.Integer(collection.id) || !reader.String(collection.uid) ||
            !reader.String(collection.spec.name) ||
            !reader.Integer(collection.create_time.unix_microseconds) ||
            !reader.Integer(collection.update_time.unix_microseconds) ||
            !reader.Integer(spaces)) {
          return false;
        }
        for (int i = 0; i < spaces; ++i) {
          VectorSpace space;
          if (!ReadSpace(reader, space)) return false;
          collection.spec.vector_spaces.push_back(std::move(space));
        }
        if (!ReadProperties(reader, collection.spec.metadata)) return false;
        // Version 1 ends here.
        if (reader.empty()) return true;
        return ReadUriImages(reader, collection.spec.uri_images);
      });
}

std::string EncodeCounters(absl::string_view key, const Counters& counters) {
  ByteWriter writer;
  writer.Integer(counters.next_slot);
  writer.Integer(counters.objects);
  writer.Integer(counters.images);
  return SealRecord(RecordKind::kCounters, key, writer.bytes());
}

absl::StatusOr<Counters> DecodeCounters(absl::string_view key,
                                        absl::string_view record) {
  return Decode<Counters>(RecordKind::kCounters, Table::kMeta, key, record,
                          [](ByteReader& reader, Counters& counters) {
                            return reader.Integer(counters.next_slot) &&
                                   reader.Integer(counters.objects) &&
                                   reader.Integer(counters.images);
                          });
}

std::string EncodeSpaceState(absl::string_view key, const SpaceState& state) {
  ByteWriter writer;
  writer.Integer(state.dimension);
  writer.String(state.model_fingerprint);
  return SealRecord(RecordKind::kSpaceState, key, writer.bytes());
}

absl::StatusOr<SpaceState> DecodeSpaceState(absl::string_view key,
                                            absl::string_view record) {
  return Decode<SpaceState>(RecordKind::kSpaceState, Table::kMeta, key, record,
                            [](ByteReader& reader, SpaceState& state) {
                              return reader.Integer(state.dimension) &&
                                     reader.String(state.model_fingerprint);
                            });
}

std::string EncodeObject(absl::string_view key, const ObjectRecord& object) {
  return SealRecord(RecordKind::kObject, key, ObjectPayload(object));
}

absl::StatusOr<ObjectRecord> DecodeObjectHead(absl::string_view key,
                                              absl::string_view record) {
  DIPTYCH_ASSIGN_OR_RETURN(
      absl::string_view payload,
      OpenRecord(RecordKind::kObject, Table::kObjects, key, record));
  ByteReader reader(payload);
  ObjectRecord object;
  if (!ReadObjectHead(reader, object)) {
    return Damaged(Table::kObjects, key,
                   "its content has another form than its kind");
  }
  return object;
}

size_t EncodedObjectSize(const ObjectRecord& object) {
  return ObjectPayload(object).size();
}

absl::StatusOr<ObjectRecord> DecodeObject(absl::string_view key,
                                          absl::string_view record) {
  return Decode<ObjectRecord>(
      RecordKind::kObject, Table::kObjects, key, record,
      [](ByteReader& reader, ObjectRecord& object) {
        uint8_t vectors;
        if (!ReadObjectHead(reader, object) ||
            !ReadProperties(reader, object.properties) ||
            !reader.Integer(vectors)) {
          return false;
        }
        for (int i = 0; i < vectors; ++i) {
          ObjectRecord::VectorEntry entry;
          if (!reader.Integer(entry.space) ||
              !reader.Integer(entry.dimension) || !reader.Bool(entry.made)) {
            return false;
          }
          object.vectors.push_back(entry);
        }
        return true;
      });
}

std::string EncodeSlot(absl::string_view key, uint32_t slot) {
  ByteWriter writer;
  writer.Integer(slot);
  return SealRecord(RecordKind::kSlot, key, writer.bytes());
}

absl::StatusOr<uint32_t> DecodeSlot(absl::string_view key,
                                    absl::string_view record) {
  return Decode<uint32_t>(
      RecordKind::kSlot, Table::kIds, key, record,
      [](ByteReader& reader, uint32_t& slot) { return reader.Integer(slot); });
}

std::string EncodeVector(absl::string_view key,
                         absl::Span<const float> vector) {
  return SealRecord(
      RecordKind::kVector, key,
      absl::string_view(reinterpret_cast<const char*>(vector.data()),
                        vector.size() * sizeof(float)));
}

absl::StatusOr<std::vector<float>> DecodeVector(absl::string_view key,
                                                absl::string_view record,
                                                uint32_t dimension) {
  std::vector<float> vector(dimension);
  DIPTYCH_RETURN_IF_ERROR(
      DecodeVectorInto(key, record, absl::MakeSpan(vector)));
  return vector;
}

absl::Status DecodeVectorInto(absl::string_view key, absl::string_view record,
                              absl::Span<float> vector) {
  DIPTYCH_ASSIGN_OR_RETURN(
      absl::string_view payload,
      OpenRecord(RecordKind::kVector, Table::kVectors, key, record));
  if (payload.size() != vector.size() * sizeof(float)) {
    return Damaged(Table::kVectors, key, "its dimension is another");
  }
  std::memcpy(vector.data(), payload.data(), payload.size());
  return absl::OkStatus();
}

uint16_t VectorPieceCount(uint32_t dimension) {
  const size_t bytes = 1 + dimension * sizeof(float) + kChecksumBytes;
  return static_cast<uint16_t>((bytes + kVectorPieceBytes - 1) /
                               kVectorPieceBytes);
}

std::string EncodeImageReference(absl::string_view key,
                                 const ImageReferenceRecord& reference) {
  ByteWriter writer;
  writer.Integer(reference.references);
  writer.Integer(reference.size_bytes);
  return SealRecord(RecordKind::kImageReference, key, writer.bytes());
}

absl::StatusOr<ImageReferenceRecord> DecodeImageReference(
    absl::string_view key, absl::string_view record) {
  return Decode<ImageReferenceRecord>(
      RecordKind::kImageReference, Table::kImageReferences, key, record,
      [](ByteReader& reader, ImageReferenceRecord& reference) {
        return reader.Integer(reference.references) &&
               reader.Integer(reference.size_bytes);
      });
}

std::string EncodeChange(absl::string_view key, const ChangeRecord& change) {
  ByteWriter writer;
  writer.Integer(change.first_slot);
  writer.Integer(change.end_slot);
  writer.Integer(static_cast<uint32_t>(change.removed.size()));
  for (const uint32_t slot : change.removed) writer.Integer(slot);
  return SealRecord(RecordKind::kChange, key, writer.bytes());
}

absl::StatusOr<ChangeRecord> DecodeChange(absl::string_view key,
                                          absl::string_view record) {
  return Decode<ChangeRecord>(RecordKind::kChange, Table::kChanges, key, record,
                              [](ByteReader& reader, ChangeRecord& change) {
                                uint32_t count;
                                if (!reader.Integer(change.first_slot) ||
                                    !reader.Integer(change.end_slot) ||
                                    !reader.Integer(count) ||
                                    count > reader.size() / sizeof(uint32_t)) {
                                  return false;
                                }
                                change.removed.resize(count);
                                for (uint32_t& slot : change.removed)
                                  reader.Integer(slot);
                                return true;
                              });
}

std::string EncodeIndexSnapshot(absl::string_view key,
                                const IndexSnapshotRecord& snapshot) {
  ByteWriter writer;
  writer.Integer(snapshot.sequence);
  writer.Integer(snapshot.id[0]);
  writer.Integer(snapshot.id[1]);
  return SealRecord(RecordKind::kIndexSnapshot, key, writer.bytes());
}

absl::StatusOr<IndexSnapshotRecord> DecodeIndexSnapshot(
    absl::string_view key, absl::string_view record) {
  return Decode<IndexSnapshotRecord>(
      RecordKind::kIndexSnapshot, Table::kMeta, key, record,
      [](ByteReader& reader, IndexSnapshotRecord& snapshot) {
        return reader.Integer(snapshot.sequence) &&
               reader.Integer(snapshot.id[0]) && reader.Integer(snapshot.id[1]);
      });
}

}  // namespace diptych::storage
