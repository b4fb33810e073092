#include "storage/engine/data_directory_check.h"

#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/hash/sha256.h"
#include "common/status/status_macros.h"
#include "storage/engine/catalog.h"
#include "storage/engine/change_log.h"
#include "storage/engine/index_snapshot_store.h"
#include "storage/engine/object_table.h"
#include "storage/record/directory_lock.h"
#include "storage/record/key_codec.h"
#include "storage/record/lmdb_record_store.h"

namespace diptych::storage {
namespace {

// Calls `visit(key, value)` for every record of a table.
template <typename Visit>
absl::Status ForEachRecord(ReadTransaction& read, Table table, Visit visit) {
  DIPTYCH_ASSIGN_OR_RETURN(auto cursor, read.NewCursor(table));
  DIPTYCH_ASSIGN_OR_RETURN(bool found, cursor->Seek(""));
  while (found) {
    visit(cursor->key(), cursor->value());
    DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Next());
  }
  return absl::OkStatus();
}

class CollectionCheck {
 public:
  CollectionCheck(const Collection& collection, std::string where,
                  DirectoryCheck& result)
      : collection_(collection), where_(std::move(where)), result_(result) {}

  void Run(const std::filesystem::path& directory) {
    LmdbOptions options;
    options.read_only = true;
    auto store = LmdbRecordStore::Open(directory, options);
    if (!store.ok()) return Find(store.status().message());
    absl::Status status = CheckStore(**store);
    if (status.ok()) status = CheckIndexSnapshot(**store, directory);
    if (!status.ok()) Find(status.message());
    if (findings_ > DirectoryCheck::kFindingsMax) {
      result_.findings.push_back(
          {where_,
           absl::StrCat("and ", findings_ - DirectoryCheck::kFindingsMax,
                        " more")});
    }
  }

 private:
  void Find(absl::string_view what) {
    if (++findings_ <= DirectoryCheck::kFindingsMax) {
      result_.findings.push_back({where_, std::string(what)});
    }
  }
  // The value, or nullopt and a finding.
  template <typename T>
  std::optional<T> Take(absl::StatusOr<T> value) {
    if (value.ok()) return *std::move(value);
    Find(value.status().message());
    return std::nullopt;
  }

  absl::Status CheckStore(RecordStore& store) {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, store.BeginRead());
    DIPTYCH_ASSIGN_OR_RETURN(auto format, read->Get(Table::kMeta, kFormatKey));
    if (!format.has_value()) {
      return absl::DataLossError("has no format version, so it holds nothing");
    }
    DIPTYCH_ASSIGN_OR_RETURN(const uint32_t version,
                             DecodeFormat(kFormatKey, *format));
    if (version > kStorageFormatVersion) {
      return absl::DataLossError(absl::StrCat(
          "is of format ", version, ", this version reads formats up to ",
          kStorageFormatVersion));
    }
    DIPTYCH_RETURN_IF_ERROR(CheckObjects(*read));
    DIPTYCH_RETURN_IF_ERROR(CheckIds(*read));
    DIPTYCH_RETURN_IF_ERROR(CheckImages(*read));
    return CheckCounters(*read);
  }

  // The file that the records name, if it is there (a copy of the records comes
  // without), and the changes behind it.
  absl::Status CheckIndexSnapshot(RecordStore& store,
                                  const std::filesystem::path& directory) {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, store.BeginRead());
    DIPTYCH_ASSIGN_OR_RETURN(const auto record, ReadIndexSnapshotRecord(*read));
    const uint64_t sequence = record.has_value() ? record->sequence : 0;
    Take(ReadRemovedSince(*read, sequence));
    if (!record.has_value()) return absl::OkStatus();
    const IndexSnapshotStore snapshots(directory, &FileSystem::System());
    const auto file = snapshots.Open(record->id);
    if (absl::IsNotFound(file.status())) return absl::OkStatus();
    const absl::Status whole = file.ok() ? (*file)->Verify() : file.status();
    if (!whole.ok()) {
      Find(
          absl::StrCat("the index snapshot is not whole; the next start builds "
                       "the index from the records: ",
                       whole.message()));
    }
    return absl::OkStatus();
  }

  absl::Status CheckObjects(ReadTransaction& read) {
    uint64_t pieces = 0;
    DIPTYCH_RETURN_IF_ERROR(ForEachRecord(
        read, Table::kObjects, [&](absl::string_view key, auto value) {
          ++objects_;
          Slot slot;
          const auto object = Take(DecodeObject(key, value));
          if (!object.has_value()) return;
          if (!ParseSlotKey(key, slot)) {
            return Find("an object lies under a key that is no slot");
          }
          slots_.Add(slot);
          last_slot_ = slot;
          CheckVectors(read, slot, *object, pieces);
          for (const auto& [name, property] : object->properties) {
            const auto* image = std::get_if<ImageReference>(&property);
            if (image != nullptr && !image->content_sha256.empty()) {
              ++references_[image->content_sha256];
            }
          }
          auto found = FindSlot(read, object->id);
          if (found.ok() && *found != slot) {
            Find(absl::StrCat("the id of an object leads elsewhere: ",
                              absl::CHexEscape(object->id)));
          }
        }));
    uint64_t stored_pieces = 0;
    DIPTYCH_RETURN_IF_ERROR(ForEachRecord(
        read, Table::kVectors, [&](auto, auto) { ++stored_pieces; }));
    if (stored_pieces != pieces) {
      Find(absl::StrCat("there are ", stored_pieces,
                        " pieces of vectors where the objects have ", pieces));
    }
    result_.objects += objects_;
    return absl::OkStatus();
  }

  void CheckVectors(ReadTransaction& read, Slot slot,
                    const ObjectRecord& object, uint64_t& pieces) {
    for (const ObjectRecord::VectorEntry& entry : object.vectors) {
      pieces += VectorPieceCount(entry.dimension);
      if (entry.space >= collection_.spec.vector_spaces.size()) {
        Find("an object has a vector in a space that does not exist");
      } else if (Take(ReadVector(read, slot, entry)).has_value()) {
        ++result_.vectors;
      }
    }
  }

  absl::Status CheckIds(ReadTransaction& read) {
    uint64_t ids = 0;
    DIPTYCH_RETURN_IF_ERROR(
        ForEachRecord(read, Table::kIds, [&](absl::string_view id, auto value) {
          ++ids;
          const auto slot = Take(DecodeSlot(id, value));
          if (slot.has_value() && !slots_.Contains(*slot)) {
            Find(absl::StrCat("an id leads to no readable object: ",
                              absl::CHexEscape(id)));
          }
        }));
    if (ids != objects_) {
      Find(absl::StrCat("there are ", ids, " ids and ", objects_, " objects"));
    }
    return absl::OkStatus();
  }

  absl::Status CheckImages(ReadTransaction& read) {
    DIPTYCH_RETURN_IF_ERROR(ForEachRecord(
        read, Table::kImages, [&](absl::string_view sha256, auto value) {
          ++images_;
          const auto bytes = Take(
              OpenRecord(RecordKind::kImage, Table::kImages, sha256, value));
          if (bytes.has_value() && Sha256(*bytes) != sha256) {
            Find("an image is not the one that its SHA-256 names");
          }
        }));
    std::map<std::string, uint64_t> stored;
    DIPTYCH_RETURN_IF_ERROR(ForEachRecord(
        read, Table::kImageReferences,
        [&](absl::string_view sha256, auto value) {
          const auto record = Take(DecodeImageReference(sha256, value));
          if (!record.has_value()) return;
          stored[std::string(sha256)] = record->references;
          auto image = read.Get(Table::kImages, sha256);
          if (image.ok() && !image->has_value()) {
            Find("an image that objects refer to is missing");
          }
        }));
    if (stored != references_) {
      Find("the references to images are not those of the objects");
    }
    result_.images += images_;
    return absl::OkStatus();
  }

  absl::Status CheckCounters(ReadTransaction& read) {
    DIPTYCH_ASSIGN_OR_RETURN(const Counters counters, ReadCounters(read));
    if (counters.objects != objects_ || counters.images != images_) {
      Find(absl::StrCat("counts ", counters.objects, " objects and ",
                        counters.images, " images where there are ", objects_,
                        " and ", images_));
    }
    if (last_slot_.has_value() && *last_slot_ >= counters.next_slot) {
      Find("an object lies under a slot that has not been given out");
    }
    return absl::OkStatus();
  }

  const Collection& collection_;
  const std::string where_;
  DirectoryCheck& result_;
  size_t findings_ = 0;
  uint64_t objects_ = 0, images_ = 0;
  SlotSet slots_;
  std::optional<Slot> last_slot_;
  std::map<std::string, uint64_t> references_;
};

absl::Status CheckLeftovers(const std::filesystem::path& parent,
                            const std::set<uint64_t>& ids,
                            DirectoryCheck& result) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(parent, error), end;
       !error && entry != end; entry.increment(error)) {
    uint64_t id;
    const std::string name = entry->path().filename().string();
    if (!ParseCollectionDirectoryName(name, id)) {
      result.findings.push_back(
          {absl::StrCat("collections/", name),
           "is not one of the server's; it leaves it alone"});
    } else if (!ids.contains(id)) {
      result.findings.push_back(
          {absl::StrCat("collections/", name),
           "belongs to no collection; the next start removes it"});
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DirectoryCheck> CheckDataDirectory(
    const std::filesystem::path& directory) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory / "catalog", error)) {
    return absl::NotFoundError(absl::StrCat(
        "this is no data directory, it has no catalog: ", directory.string()));
  }
  DIPTYCH_ASSIGN_OR_RETURN(const auto lock, DirectoryLock::Acquire(directory));
  DirectoryCheck result;
  LmdbOptions options;
  options.read_only = true;
  std::vector<Collection> collections;
  {
    auto store = LmdbRecordStore::Open(directory / "catalog", options);
    absl::Status status = store.status();
    if (status.ok()) {
      auto read = Catalog::ReadFrom(**store);
      status = read.status();
      if (read.ok()) collections = *std::move(read);
    }
    if (absl::IsFailedPrecondition(status)) return status;
    if (!status.ok()) {
      result.findings.push_back({"catalog", std::string(status.message())});
      return result;
    }
  }
  std::set<uint64_t> ids;
  for (const Collection& collection : collections) {
    ids.insert(collection.id);
    ++result.collections;
    const std::string name = CollectionDirectoryName(collection.id);
    CollectionCheck(collection,
                    absl::StrCat("collection ", collection.spec.name,
                                 ", collections/", name),
                    result)
        .Run(directory / "collections" / name);
  }
  DIPTYCH_RETURN_IF_ERROR(
      CheckLeftovers(directory / "collections", ids, result));
  return result;
}

}  // namespace diptych::storage
