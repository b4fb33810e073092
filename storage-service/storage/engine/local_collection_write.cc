// The writing half of LocalCollection.
#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/local_collection.h"
#include "storage/engine/object_table.h"
#include "storage/engine/object_validation.h"
#include "storage/engine/uuid.h"
#include "storage/filter/filter_validation.h"

namespace diptych::storage {
namespace {

// How often a request that others overtake is begun again.
constexpr int kAttemptsMax = 16;

bool AnyWanted(const std::vector<bool>& wanted) {
  return std::find(wanted.begin(), wanted.end(), true) != wanted.end();
}

}  // namespace

absl::StatusOr<WriteObjectsResult> LocalCollection::Write(
    const CallContext& context, WriteObjectsRequest request) {
  for (ObjectWrite& object : request.objects) {
    if (object.id.empty()) {
      object.id = MakeUuidV7(environment_.clock->Now());
    }
  }
  DIPTYCH_RETURN_IF_ERROR(ValidateObjects(request.objects, description().spec,
                                          environment_.limits, {}));
  FieldViolations violations;
  for (size_t i = 0; i < request.objects.size(); ++i) {
    ResolveImages(i, request.objects[i].properties, request.objects[i].images,
                  violations);
  }
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  auto result = WriteOnce(context, request,
                          /*skip_existing=*/request.mode == WriteMode::kInsert);
  // An id that was seen to exist was deleted before its insert's turn came.
  if (ObjectWriteBatch::IsConflict(result.status())) {
    return WriteOnce(context, request, /*skip_existing=*/false);
  }
  return result;
}

absl::StatusOr<WriteObjectsResult> LocalCollection::WriteOnce(
    const CallContext& context, const WriteObjectsRequest& request,
    bool skip_existing) {
  const CollectionSpec spec = description().spec;
  const size_t spaces = spec.vector_spaces.size();
  std::vector<PendingObject> objects;
  std::vector<std::vector<bool>> wanted;
  for (size_t i = 0; i < request.objects.size(); ++i) {
    const ObjectWrite& object = request.objects[i];
    PendingObject pending{i,
                          object.id,
                          object.properties,
                          &object.images,
                          std::vector<PendingVector>(spaces),
                          true,
                          std::nullopt};
    for (const auto& [name, vector] : object.vectors) {
      pending.vectors[FindSpace(spec, name)].vector = vector;
    }
    wanted.emplace_back(spaces, false);
    for (size_t space = 0; space < spaces; ++space) {
      wanted[i][space] = spec.vector_spaces[space].has_vectorizer &&
                         pending.vectors[space].vector.empty();
    }
    objects.push_back(std::move(pending));
  }
  if (skip_existing) {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
    for (size_t i = 0; i < objects.size(); ++i) {
      if (!AnyWanted(wanted[i]) && !MayLoadImages(request.objects[i])) continue;
      DIPTYCH_ASSIGN_OR_RETURN(auto slot, FindSlot(*read, objects[i].id));
      if (!slot.has_value()) continue;
      objects[i].vectorized = false;
      wanted[i].assign(spaces, false);
    }
  }
  std::vector<ImageBytes> images;
  DIPTYCH_RETURN_IF_ERROR(
      LoadImages(context, spec, request.objects, objects, wanted, images));
  std::vector<std::string> fingerprints;
  DIPTYCH_RETURN_IF_ERROR(
      Vectorize(context, spec, objects, wanted, fingerprints));
  DropExternalImages(objects, images);
  ObjectWriteBatch batch(spec, environment_.limits, Now(), request.mode,
                         std::move(objects), std::move(fingerprints));
  DIPTYCH_RETURN_IF_ERROR(RunBatch(context, batch));
  return WriteObjectsResult{batch.TakeResults()};
}

absl::Status LocalCollection::Vectorize(
    const CallContext& context, const CollectionSpec& spec,
    std::vector<PendingObject>& objects,
    const std::vector<std::vector<bool>>& wanted,
    std::vector<std::string>& fingerprints) {
  fingerprints.assign(spec.vector_spaces.size(), "");
  std::vector<VectorizableObject> vectorizable;
  std::vector<size_t> positions;
  for (size_t i = 0; i < objects.size(); ++i) {
    if (!AnyWanted(wanted[i])) continue;
    vectorizable.push_back({objects[i].index,
                            &objects[i].properties,
                            objects[i].images,
                            wanted[i],
                            {}});
    positions.push_back(i);
  }
  if (vectorizable.empty()) return absl::OkStatus();
  DIPTYCH_RETURN_IF_ERROR(VectorizeObjects(context, environment_.vectorizer,
                                           spec, absl::MakeSpan(vectorizable),
                                           fingerprints));
  for (size_t i = 0; i < vectorizable.size(); ++i) {
    for (size_t space = 0; space < spec.vector_spaces.size(); ++space) {
      if (vectorizable[i].wanted[space]) {
        objects[positions[i]].vectors[space] =
            std::move(vectorizable[i].vectors[space]);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status LocalCollection::RunBatch(const CallContext& context,
                                       ObjectWriteBatch& batch) {
  QueuedWrite write;
  write.bytes = batch.bytes();
  write.prepare = [&batch](WriteTransaction& transaction) {
    return batch.Prepare(transaction);
  };
  write.write = [this, &batch](WriteTransaction& transaction) {
    DIPTYCH_RETURN_IF_ERROR(batch.Write(transaction));
    return KeepChangesBounded(transaction);
  };
  write.apply = [this, &batch] {
    FixSpaces(batch.states());
    absl::MutexLock lock(&applying_);
    return batch.Apply(index_);
  };
  return queue_.Run(context, write);
}

absl::StatusOr<UpdateObjectsResult> LocalCollection::Update(
    const CallContext& context, UpdateObjectsRequest request) {
  DIPTYCH_RETURN_IF_ERROR(
      ValidateObjects(request.objects, description().spec, environment_.limits,
                      {.id_optional = false, .empty_vectors = true}));
  FieldViolations violations;
  for (size_t i = 0; i < request.objects.size(); ++i) {
    ResolveImages(i, request.objects[i].properties, request.objects[i].images,
                  violations);
  }
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  for (int attempt = 1;; ++attempt) {
    auto result = UpdateOnce(context, request);
    if (attempt == kAttemptsMax ||
        !ObjectWriteBatch::IsConflict(result.status())) {
      return result;
    }
    DIPTYCH_RETURN_IF_ERROR(context.Check(environment_.clock->Now()));
  }
}

absl::StatusOr<UpdateObjectsResult> LocalCollection::UpdateOnce(
    const CallContext& context, const UpdateObjectsRequest& request) {
  const CollectionSpec spec = description().spec;
  const size_t spaces = spec.vector_spaces.size();
  UpdateObjectsResult result;
  std::vector<PendingObject> objects;
  std::vector<std::vector<bool>> wanted;
  {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
    for (size_t i = 0; i < request.objects.size(); ++i) {
      const ObjectWrite& update = request.objects[i];
      DIPTYCH_ASSIGN_OR_RETURN(auto slot, FindSlot(*read, update.id));
      std::optional<ObjectRecord> old;
      if (slot.has_value()) {
        DIPTYCH_ASSIGN_OR_RETURN(old, ReadObject(*read, *slot));
      }
      if (!old.has_value()) {
        result.missing_ids.push_back(update.id);
        continue;
      }
      PendingObject pending{i,
                            update.id,
                            std::move(old->properties),
                            &update.images,
                            std::vector<PendingVector>(spaces),
                            true,
                            slot};
      std::vector<std::string> changed;
      for (const auto& [name, value] : update.properties) {
        changed.push_back(name);
        if (std::holds_alternative<std::monostate>(value)) {
          pending.properties.erase(name);
        } else {
          pending.properties[name] = value;
        }
      }
      std::vector<bool> wants(spaces, false), given(spaces, false);
      for (const auto& [name, vector] : update.vectors) {
        const int space = FindSpace(spec, name);
        pending.vectors[space].vector = vector;
        given[space] = true;
      }
      for (size_t space = 0; space < spaces; ++space) {
        const auto entry = std::find_if(
            old->vectors.begin(), old->vectors.end(),
            [space](const auto& vector) { return vector.space == space; });
        const bool own = entry != old->vectors.end() && !entry->made;
        if (given[space]) continue;
        if (!own && SpaceIsFedBy(spec.vector_spaces[space], changed)) {
          wants[space] = true;
        } else if (entry != old->vectors.end()) {
          DIPTYCH_ASSIGN_OR_RETURN(pending.vectors[space].vector,
                                   ReadVector(*read, *slot, *entry));
          pending.vectors[space].made = entry->made;
        }
      }
      objects.push_back(std::move(pending));
      wanted.push_back(std::move(wants));
    }
  }
  if (objects.empty()) return result;
  std::vector<ImageBytes> images;
  DIPTYCH_RETURN_IF_ERROR(
      LoadImages(context, spec, request.objects, objects, wanted, images));
  std::vector<std::string> fingerprints;
  DIPTYCH_RETURN_IF_ERROR(
      Vectorize(context, spec, objects, wanted, fingerprints));
  DropExternalImages(objects, images);
  ObjectWriteBatch batch(spec, environment_.limits, Now(), WriteMode::kUpsert,
                         std::move(objects), std::move(fingerprints));
  DIPTYCH_RETURN_IF_ERROR(RunBatch(context, batch));
  return result;
}

absl::StatusOr<DeleteObjectsResult> LocalCollection::Delete(
    const CallContext& context, const DeleteObjectsRequest& request) {
  const Limits& limits = environment_.limits;
  FieldViolations violations;
  if (request.ids.empty() && !request.filter.has_value()) {
    violations.Add("ids", "is empty and there is no filter; give one of them");
  }
  if (request.ids.size() > limits.objects_per_batch_max) {
    violations.Add("ids", absl::StrCat("has ", request.ids.size(),
                                       " members; give at "
                                       "most ",
                                       limits.objects_per_batch_max));
  }
  for (size_t i = 0; i < request.ids.size(); ++i) {
    ValidateObjectId(request.ids[i], absl::StrCat("ids[", i, "]"), violations);
  }
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  if (request.filter.has_value()) {
    DIPTYCH_RETURN_IF_ERROR(ValidateFilter(*request.filter, limits));
  }
  std::vector<std::string> ids = request.ids;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());

  ObjectDeleteBatch batch;
  QueuedWrite write;
  write.bytes = 64 * ids.size();
  // A filter is answered by the index, which knows nothing of the writes that
  // share the transaction.
  write.alone = request.filter.has_value();
  write.prepare = [&](WriteTransaction& transaction) -> absl::Status {
    if (!request.filter.has_value()) {
      return batch.Prepare(transaction, ids, request.limit);
    }
    DIPTYCH_ASSIGN_OR_RETURN(SlotSet slots, index_.Evaluate(*request.filter));
    std::vector<std::string> matching;
    if (request.ids.empty()) {
      DIPTYCH_ASSIGN_OR_RETURN(matching, IdsOf(transaction, slots));
    } else {
      for (const std::string& id : ids) {
        DIPTYCH_ASSIGN_OR_RETURN(auto slot, FindSlot(transaction, id));
        if (slot.has_value() && slots.Contains(*slot)) matching.push_back(id);
      }
    }
    return batch.Prepare(transaction, matching, request.limit);
  };
  write.write = [this, &batch](WriteTransaction& transaction) {
    DIPTYCH_RETURN_IF_ERROR(batch.Write(transaction));
    return KeepChangesBounded(transaction);
  };
  write.apply = [this, &batch] {
    absl::MutexLock lock(&applying_);
    return batch.Apply(index_);
  };
  DIPTYCH_RETURN_IF_ERROR(queue_.Run(context, write));
  return DeleteObjectsResult{batch.deleted()};
}

}  // namespace diptych::storage
