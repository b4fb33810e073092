// The importing part of LocalCollection.
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/import_preparation.h"
#include "storage/engine/local_collection.h"
#include "storage/engine/object_table.h"
#include "storage/engine/object_validation.h"
#include "storage/engine/uri_images.h"
#include "storage/engine/uuid.h"

namespace diptych::storage {
namespace {

// How long an import waits for room in the write queue.
constexpr absl::Duration kWriteQueuePatience = absl::Minutes(5);

// Names the images that feed a vector and whose bytes are nowhere: the vector
// would silently be another one.
absl::Status CheckImagesAreThere(const CollectionSpec& spec,
                                 const LocalPreparedObjects::Entry& entry) {
  FieldViolations violations;
  for (const auto& [name, value] : entry.pending.properties) {
    const auto* image = std::get_if<ImageReference>(&value);
    if (image == nullptr || image->content_sha256.empty() ||
        !image->uri.empty() || entry.pending.images->contains(name) ||
        !ImageIsWanted(spec, entry.wanted, name)) {
      continue;
    }
    violations.Add(
        absl::StrCat("objects[", entry.pending.index, "].properties",
                     Subscript(name)),
        absl::StrCat("names an image that the collection does not hold yet; "
                     "send its bytes, or wait until the chunk that brings "
                     "them is acknowledged: SHA-256 ",
                     absl::BytesToHexString(image->content_sha256)));
  }
  return violations.ToStatus();
}

}  // namespace

absl::Status LocalCollection::LoadImportImages(
    const CallContext& context, const CollectionSpec& spec,
    const std::vector<ObjectWrite>& given, ImportEntry& entry) {
  // Loaded as a request of this object alone.
  const size_t index = std::exchange(entry.pending.index, 0);
  std::vector<PendingObject> objects;
  objects.push_back(std::move(entry.pending));
  const absl::Status status = LoadImages(context, spec, given, objects,
                                         {entry.wanted}, entry.loaded_images);
  entry.pending = std::move(objects[0]);
  entry.pending.index = index;
  if (!status.ok()) {
    entry.status = RenameFields(status, "objects[0]",
                                absl::StrCat("objects[", index, "]"));
  } else {
    entry.status = CheckImagesAreThere(spec, entry);
  }
  // What is wrong with the store is no fault of the object.
  return absl::IsInternal(status) || absl::IsDataLoss(status)
             ? status
             : absl::OkStatus();
}

absl::Status LocalCollection::PrepareImportObject(const CallContext& context,
                                                  const CollectionSpec& spec,
                                                  WriteMode mode,
                                                  ImportObject object,
                                                  ImportEntry& entry) {
  ObjectWrite& write = object.write;
  if (write.id.empty()) write.id = MakeUuidV7(environment_.clock->Now());
  const size_t spaces = spec.vector_spaces.size();
  entry.status = std::move(object.status);
  entry.pending.index = object.index;
  entry.pending.id = write.id;
  FieldViolations violations;
  if (entry.status.ok()) {
    ValidateObject(write, object.index, spec, environment_.limits, {},
                   violations);
  }
  if (entry.status.ok() && violations.empty()) {
    ResolveImages(object.index, write.properties, write.images, violations);
  }
  if (entry.status.ok()) entry.status = violations.ToStatus();
  if (!entry.status.ok()) return absl::OkStatus();

  const bool may_load = MayLoadImages(write);
  entry.images = std::move(write.images);
  entry.pending.images = &entry.images;
  entry.pending.properties = write.properties;
  entry.pending.vectors.resize(spaces);
  for (auto& [name, vector] : write.vectors) {
    entry.pending.vectors[FindSpace(spec, name)].vector = std::move(vector);
  }
  bool any_wanted = false;
  entry.wanted.assign(spaces, false);
  for (size_t space = 0; space < spaces; ++space) {
    entry.wanted[space] = spec.vector_spaces[space].has_vectorizer &&
                          entry.pending.vectors[space].vector.empty();
    any_wanted = any_wanted || entry.wanted[space];
  }
  if (!any_wanted && !may_load) return absl::OkStatus();
  if (mode == WriteMode::kInsert) {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
    DIPTYCH_ASSIGN_OR_RETURN(auto slot, FindSlot(*read, entry.pending.id));
    if (slot.has_value()) {
      entry.pending.vectorized = false;
      entry.wanted.assign(spaces, false);
      return absl::OkStatus();
    }
  }
  std::vector<ObjectWrite> given;
  given.push_back(std::move(write));
  return LoadImportImages(context, spec, given, entry);
}

absl::Status LocalCollection::PrepareImport(const CallContext& context,
                                            WriteMode mode,
                                            std::vector<ImportObject> objects,
                                            ObjectImport::Prepared done) {
  auto prepared = std::make_unique<LocalPreparedObjects>();
  prepared->spec = description().spec;
  for (ImportObject& object : objects) {
    DIPTYCH_RETURN_IF_ERROR(
        PrepareImportObject(context, prepared->spec, mode, std::move(object),
                            prepared->entries.emplace_back()));
  }
  VectorizeImport(context, environment_.bulk_vectorizer, std::move(prepared),
                  std::move(done));
  return absl::OkStatus();
}

absl::Status LocalCollection::RunImportBatch(const CallContext& context,
                                             ObjectWriteBatch& batch) {
  const absl::Time give_up = environment_.clock->Now() + kWriteQueuePatience;
  absl::Mutex mutex;
  bool never = false;
  while (true) {
    const absl::Status status = RunBatch(context, batch);
    const auto delay = RetryAfterOf(status);
    if (!absl::IsResourceExhausted(status) || !delay.has_value() ||
        environment_.clock->Now() >= give_up) {
      return status;
    }
    absl::MutexLock lock(&mutex);
    environment_.clock->AwaitWithDeadline(mutex, absl::Condition(&never),
                                          environment_.clock->Now() + *delay);
  }
}

absl::Status LocalCollection::CommitRun(const CallContext& context,
                                        WriteMode mode,
                                        const std::vector<ImportEntry*>& run,
                                        std::vector<ImportOutcome>& outcomes) {
  const CollectionSpec spec = description().spec;
  std::vector<PendingObject> objects;
  std::vector<std::string> fingerprints(spec.vector_spaces.size());
  std::vector<ImportEntry*> written;
  for (ImportEntry* entry : run) {
    if (!entry->status.ok()) continue;
    for (size_t space = 0; space < fingerprints.size(); ++space) {
      if (!entry->fingerprints[space].empty()) {
        fingerprints[space] = entry->fingerprints[space];
      }
    }
    // Its id is still needed below.
    objects.push_back(std::move(entry->pending));
    entry->pending.id = objects.back().id;
    written.push_back(entry);
  }
  std::vector<absl::StatusOr<WriteOutcome>> results;
  if (!objects.empty()) {
    ObjectWriteBatch batch(spec, environment_.limits, Now(), mode,
                           std::move(objects), std::move(fingerprints));
    batch.TakeEachByItself();
    DIPTYCH_RETURN_IF_ERROR(RunImportBatch(context, batch));
    results = batch.TakeOutcomes();
  }
  size_t next = 0;
  for (ImportEntry* entry : run) {
    if (entry->status.ok()) {
      outcomes.push_back({entry->pending.id, std::move(results[next++])});
    } else {
      outcomes.push_back({entry->pending.id, std::move(entry->status)});
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ImportOutcome>> LocalCollection::CommitImport(
    const CallContext& context, WriteMode mode,
    std::vector<std::unique_ptr<PreparedObjects>> prepared) {
  std::vector<ImportOutcome> outcomes;
  // What one batch can take: ids are unique in it, and vectors of a space by
  // one model.
  std::vector<ImportEntry*> run;
  std::set<absl::string_view> ids;
  std::map<size_t, absl::string_view> fingerprints;
  const auto fits = [&](const ImportEntry& entry) {
    if (ids.contains(entry.pending.id)) return false;
    for (size_t space = 0; space < entry.fingerprints.size(); ++space) {
      const auto found = fingerprints.find(space);
      if (found != fingerprints.end() && !entry.fingerprints[space].empty() &&
          found->second != entry.fingerprints[space]) {
        return false;
      }
    }
    return true;
  };
  for (const auto& objects : prepared) {
    for (ImportEntry& entry :
         static_cast<LocalPreparedObjects&>(*objects).entries) {
      if (!fits(entry)) {
        ids.clear();
        fingerprints.clear();
        DIPTYCH_RETURN_IF_ERROR(CommitRun(context, mode, run, outcomes));
        run.clear();
      }
      run.push_back(&entry);
      ids.insert(entry.pending.id);
      for (size_t space = 0; space < entry.fingerprints.size(); ++space) {
        if (!entry.fingerprints[space].empty()) {
          fingerprints.emplace(space, entry.fingerprints[space]);
        }
      }
    }
  }
  DIPTYCH_RETURN_IF_ERROR(CommitRun(context, mode, run, outcomes));
  return outcomes;
}

}  // namespace diptych::storage
