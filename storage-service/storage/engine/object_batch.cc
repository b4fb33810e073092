#include "storage/engine/object_batch.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/hash/sha256.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/change_log.h"
#include "storage/engine/object_validation.h"

namespace diptych::storage {
namespace {

constexpr char kConflict[] = "WRITE_CONFLICT";
constexpr absl::Duration kRetryDelay = absl::Milliseconds(50);

absl::Status Conflict() {
  return WithReason(
      WithRetryAfter(absl::AbortedError(
                         "another request changed the object meanwhile; try "
                         "again"),
                     kRetryDelay),
      kConflict);
}

// A record that is damaged counts as absent, so that it can be replaced and
// deleted.
absl::StatusOr<std::optional<ObjectRecord>> ReadObjectIfWhole(
    ReadTransaction& transaction, Slot slot) {
  auto object = ReadObject(transaction, slot);
  if (object.status().code() == absl::StatusCode::kDataLoss) {
    return std::optional<ObjectRecord>();
  }
  return object;
}

template <typename Visit>
absl::Status ForEachImage(const ObjectRecord& record, Visit visit) {
  for (const auto& [name, value] : record.properties) {
    const auto* image = std::get_if<ImageReference>(&value);
    if (image == nullptr || image->content_sha256.empty() || image->external) {
      continue;
    }
    DIPTYCH_RETURN_IF_ERROR(visit(name, *image));
  }
  return absl::OkStatus();
}

absl::Status EraseVersion(WriteTransaction& transaction, Slot slot,
                          const std::optional<ObjectRecord>& record,
                          Counters& counters) {
  DIPTYCH_RETURN_IF_ERROR(
      EraseObject(transaction, slot, record.has_value() ? &*record : nullptr));
  if (!record.has_value()) return absl::OkStatus();
  return ForEachImage(*record, [&](const std::string&,
                                   const ImageReference& image) {
    return RemoveImageReference(transaction, image.content_sha256, counters);
  });
}

}  // namespace

void ResolveImages(size_t index, Properties& properties,
                   const ImageBytes& images, FieldViolations& violations) {
  for (const auto& [name, bytes] : images) {
    PropertyValue& value =
        properties.try_emplace(name, ImageReference()).first->second;
    auto* image = std::get_if<ImageReference>(&value);
    if (image == nullptr) continue;
    std::string digest = Sha256(bytes);
    if (!image->content_sha256.empty() && image->content_sha256 != digest) {
      violations.Add(
          absl::StrCat("objects[", index, "].properties", Subscript(name),
                       ".content_sha256"),
          "is not the SHA-256 of the bytes; leave it empty to have it made");
    }
    image->content_sha256 = std::move(digest);
    image->size_bytes = bytes.size();
  }
  for (const auto& [name, value] : properties) {
    const auto* image = std::get_if<ImageReference>(&value);
    if (image != nullptr && image->content_sha256.empty() &&
        image->uri.empty()) {
      violations.Add(
          absl::StrCat("objects[", index, "].properties", Subscript(name)),
          "is an image with neither bytes, nor a hash, nor a URI");
    }
  }
}

IndexedObject IndexedObjectOf(Slot slot, const ObjectRecord& record) {
  IndexedObject object{slot, record.id, &record.properties, {}};
  for (const ObjectRecord::VectorEntry& entry : record.vectors) {
    object.vectors.push_back({entry.space, {}});
  }
  return object;
}

bool ObjectWriteBatch::IsConflict(const absl::Status& status) {
  return status.code() == absl::StatusCode::kAborted &&
         ReasonOf(status) == kConflict;
}

ObjectWriteBatch::ObjectWriteBatch(const CollectionSpec& spec,
                                   const Limits& limits, Timestamp now,
                                   WriteMode mode,
                                   std::vector<PendingObject> objects,
                                   std::vector<std::string> fingerprints)
    : spec_(spec),
      limits_(limits),
      now_(now),
      mode_(mode),
      objects_(std::move(objects)),
      fingerprints_(std::move(fingerprints)) {
  for (const PendingObject& object : objects_) {
    bytes_ += 256 + object.properties.size() * 64;
    for (const auto& [name, image] : *object.images) bytes_ += image.size();
    for (const PendingVector& vector : object.vectors) {
      bytes_ += vector.vector.size() * sizeof(float);
    }
  }
}

absl::Status ObjectWriteBatch::Prepare(ReadTransaction& transaction) {
  decisions_.clear();
  outcomes_.clear();
  brought_.clear();
  states_.clear();
  DIPTYCH_ASSIGN_OR_RETURN(counters_, ReadCounters(transaction));
  for (size_t space = 0; space < spec_.vector_spaces.size(); ++space) {
    DIPTYCH_ASSIGN_OR_RETURN(
        SpaceState state,
        ReadSpaceState(transaction, static_cast<uint8_t>(space)));
    if (state.dimension == 0) {
      state.dimension = spec_.vector_spaces[space].dimension;
    }
    states_.push_back(std::move(state));
  }
  if (each_by_itself_) {
    for (const PendingObject& object : objects_) {
      DIPTYCH_RETURN_IF_ERROR(DecideByItself(transaction, object));
    }
    return absl::OkStatus();
  }
  DIPTYCH_RETURN_IF_ERROR(CheckFingerprints());
  FieldViolations violations;
  for (const PendingObject& object : objects_) {
    DIPTYCH_RETURN_IF_ERROR(Decide(transaction, object, violations));
  }
  return violations.ToStatus();
}

absl::Status ObjectWriteBatch::DecideByItself(ReadTransaction& transaction,
                                              const PendingObject& object) {
  // What a refused object has changed is taken back.
  const Counters counters = counters_;
  const std::vector<SpaceState> states = states_;
  const size_t decided = decisions_.size();
  std::vector<std::string> newly_brought;
  for (const auto& [name, value] : object.properties) {
    const auto* image = std::get_if<ImageReference>(&value);
    if (image != nullptr && !brought_.contains(image->content_sha256)) {
      newly_brought.push_back(image->content_sha256);
    }
  }
  absl::Status status;
  for (size_t space = 0; space < object.vectors.size(); ++space) {
    if (object.vectors[space].made) status.Update(CheckFingerprint(space));
  }
  FieldViolations violations;
  if (status.ok()) status = Decide(transaction, object, violations);
  if (status.ok()) status = violations.ToStatus();
  if (status.ok()) {
    outcomes_.push_back(decisions_.back().outcome);
    return absl::OkStatus();
  }
  if (!absl::IsInvalidArgument(status) && !absl::IsFailedPrecondition(status) &&
      !IsConflict(status)) {
    return status;
  }
  counters_ = counters;
  states_ = states;
  decisions_.erase(decisions_.begin() + static_cast<ptrdiff_t>(decided),
                   decisions_.end());
  for (const std::string& digest : newly_brought) brought_.erase(digest);
  outcomes_.push_back(std::move(status));
  return absl::OkStatus();
}

absl::Status ObjectWriteBatch::CheckFingerprints() {
  for (size_t space = 0; space < fingerprints_.size(); ++space) {
    DIPTYCH_RETURN_IF_ERROR(CheckFingerprint(space));
  }
  return absl::OkStatus();
}

absl::Status ObjectWriteBatch::CheckFingerprint(size_t space) {
  const std::string& made = fingerprints_[space];
  SpaceState& state = states_[space];
  if (made.empty()) return absl::OkStatus();
  if (state.model_fingerprint.empty()) state.model_fingerprint = made;
  if (state.model_fingerprint == made) return absl::OkStatus();
  return WithReason(
      absl::FailedPreconditionError(absl::StrCat(
          "this collection's vectors were made by another model, and vectors "
          "of two models cannot be compared; point the server at an "
          "inference service with the model of the collection, or make a new "
          "collection and import again: vector space \"",
          spec_.vector_spaces[space].name, "\" has fingerprint ",
          state.model_fingerprint, ", the inference service has ", made)),
      "MODEL_MISMATCH");
}

absl::Status ObjectWriteBatch::Decide(ReadTransaction& transaction,
                                      const PendingObject& object,
                                      FieldViolations& violations) {
  Decision decision;
  decision.object = &object;
  DIPTYCH_ASSIGN_OR_RETURN(decision.old_slot, FindSlot(transaction, object.id));
  if (object.expected_slot.has_value() &&
      decision.old_slot != object.expected_slot) {
    return Conflict();
  }
  if (decision.old_slot.has_value() && mode_ == WriteMode::kInsert) {
    decision.outcome = WriteOutcome::kKept;
    decisions_.push_back(std::move(decision));
    return absl::OkStatus();
  }
  if (!object.vectorized) return Conflict();
  if (counters_.next_slot == std::numeric_limits<Slot>::max()) {
    return WithReason(
        absl::ResourceExhaustedError(
            "the collection has taken 2^32 - 1 writes, which is all it can; "
            "export it into a new one"),
        "WRITES_MAX");
  }
  decision.slot = counters_.next_slot++;
  decision.record.id = object.id;
  decision.record.create_time = now_;
  decision.record.update_time = now_;
  decision.record.properties = object.properties;
  if (decision.old_slot.has_value()) {
    decision.outcome = WriteOutcome::kReplaced;
    DIPTYCH_ASSIGN_OR_RETURN(
        decision.old, ReadObjectIfWhole(transaction, *decision.old_slot));
    if (decision.old.has_value()) {
      decision.record.create_time = decision.old->create_time;
    }
  } else {
    ++counters_.objects;
  }
  DIPTYCH_RETURN_IF_ERROR(
      DecideImages(transaction, object, decision.record, violations));
  DecideVectors(object, decision, violations);
  const size_t size = EncodedObjectSize(decision.record);
  if (size > limits_.object_bytes_max ||
      decision.record.properties.size() > limits_.properties_per_object_max) {
    violations.Add(
        absl::StrCat("objects[", object.index, "]"),
        absl::StrCat("would have ", decision.record.properties.size(),
                     " properties and take ", size,
                     " bytes besides images; at most ",
                     limits_.properties_per_object_max, " and ",
                     limits_.object_bytes_max, " are allowed"));
  }
  decisions_.push_back(std::move(decision));
  return absl::OkStatus();
}

absl::Status ObjectWriteBatch::DecideImages(ReadTransaction& transaction,
                                            const PendingObject& object,
                                            ObjectRecord& record,
                                            FieldViolations& violations) {
  for (auto& [name, value] : record.properties) {
    auto* image = std::get_if<ImageReference>(&value);
    if (image == nullptr || image->content_sha256.empty() || image->external) {
      continue;
    }
    if (object.images->contains(name)) {
      brought_[image->content_sha256] = image->size_bytes;
      continue;
    }
    if (const auto found = brought_.find(image->content_sha256);
        found != brought_.end()) {
      image->size_bytes = found->second;
      continue;
    }
    DIPTYCH_ASSIGN_OR_RETURN(auto stored,
                             FindImage(transaction, image->content_sha256));
    if (stored.has_value()) {
      image->size_bytes = stored->size_bytes;
      continue;
    }
    if (!image->uri.empty()) {
      // Nobody has looked whether the URI still has this content.
      image->content_sha256.clear();
      image->size_bytes = 0;
      continue;
    }
    violations.Add(
        absl::StrCat("objects[", object.index, "].properties", Subscript(name)),
        absl::StrCat("names an image that the collection does not "
                     "hold; send its bytes: SHA-256 ",
                     absl::BytesToHexString(image->content_sha256)));
  }
  return absl::OkStatus();
}

void ObjectWriteBatch::DecideVectors(const PendingObject& object,
                                     Decision& decision,
                                     FieldViolations& violations) {
  for (size_t space = 0; space < object.vectors.size(); ++space) {
    const PendingVector& pending = object.vectors[space];
    if (pending.vector.empty()) continue;
    const auto dimension = static_cast<uint32_t>(pending.vector.size());
    SpaceState& state = states_[space];
    if (state.dimension == 0) state.dimension = dimension;
    if (state.dimension != dimension) {
      violations.Add(
          absl::StrCat("objects[", object.index, "].vectors",
                       Subscript(spec_.vector_spaces[space].name)),
          absl::StrCat(pending.made ? "was made with " : "has ", dimension,
                       " dimensions; the vectors of this space have ",
                       state.dimension));
      continue;
    }
    decision.record.vectors.push_back(
        {static_cast<uint8_t>(space), dimension, pending.made});
    decision.vectors.push_back(pending.vector);
  }
}

absl::Status ObjectWriteBatch::Write(WriteTransaction& transaction) {
  // New references first: an image that moves from one object to another stays.
  for (const Decision& decision : decisions_) {
    if (decision.outcome == WriteOutcome::kKept) continue;
    DIPTYCH_RETURN_IF_ERROR(ForEachImage(
        decision.record,
        [&](const std::string& name, const ImageReference& image) {
          const auto bytes = decision.object->images->find(name);
          return AddImageReference(transaction, image.content_sha256,
                                   bytes == decision.object->images->end()
                                       ? nullptr
                                       : &bytes->second,
                                   counters_);
        }));
  }
  for (const Decision& decision : decisions_) {
    if (decision.outcome == WriteOutcome::kKept) continue;
    if (decision.old_slot.has_value()) {
      DIPTYCH_RETURN_IF_ERROR(EraseVersion(transaction, *decision.old_slot,
                                           decision.old, counters_));
    }
    DIPTYCH_RETURN_IF_ERROR(PutObject(transaction, decision.slot,
                                      decision.record, decision.vectors));
  }
  for (size_t space = 0; space < states_.size(); ++space) {
    DIPTYCH_RETURN_IF_ERROR(WriteSpaceState(
        transaction, static_cast<uint8_t>(space), states_[space]));
  }
  DIPTYCH_RETURN_IF_ERROR(AppendChange(transaction, Change()));
  return WriteCounters(transaction, counters_);
}

ChangeRecord ObjectWriteBatch::Change() const {
  ChangeRecord change;
  change.first_slot = change.end_slot = counters_.next_slot;
  for (const Decision& decision : decisions_) {
    if (decision.outcome == WriteOutcome::kKept) continue;
    change.first_slot = std::min(change.first_slot, decision.slot);
    if (decision.old_slot.has_value()) {
      change.removed.push_back(*decision.old_slot);
    }
  }
  std::sort(change.removed.begin(), change.removed.end());
  return change;
}

absl::Status ObjectWriteBatch::Apply(CollectionIndex& index) {
  for (const Decision& decision : decisions_) {
    if (decision.outcome == WriteOutcome::kKept) continue;
    IndexedObject after = IndexedObjectOf(decision.slot, decision.record);
    for (size_t i = 0; i < after.vectors.size(); ++i) {
      after.vectors[i].vector = decision.vectors[i];
    }
    if (decision.old.has_value()) {
      DIPTYCH_RETURN_IF_ERROR(index.Replace(
          IndexedObjectOf(*decision.old_slot, *decision.old), after));
    } else {
      // Damaged since it was indexed, perhaps.
      if (decision.old_slot.has_value()) {
        DIPTYCH_RETURN_IF_ERROR(
            index.RemoveSlots(SlotSet({*decision.old_slot})));
      }
      DIPTYCH_RETURN_IF_ERROR(index.Insert(after));
    }
  }
  return absl::OkStatus();
}

std::vector<WrittenObject> ObjectWriteBatch::TakeResults() {
  std::vector<WrittenObject> results;
  results.reserve(decisions_.size());
  for (const Decision& decision : decisions_) {
    results.push_back({decision.object->id, decision.outcome});
  }
  return results;
}

std::vector<absl::StatusOr<WriteOutcome>> ObjectWriteBatch::TakeOutcomes() {
  return std::move(outcomes_);
}

absl::Status ObjectDeleteBatch::Prepare(ReadTransaction& transaction,
                                        const std::vector<std::string>& ids,
                                        uint64_t limit) {
  deletions_.clear();
  for (const std::string& id : ids) {
    if (limit != 0 && deletions_.size() >= limit) break;
    DIPTYCH_ASSIGN_OR_RETURN(auto slot, FindSlot(transaction, id));
    if (!slot.has_value()) continue;
    Deletion deletion{id, *slot, std::nullopt};
    DIPTYCH_ASSIGN_OR_RETURN(deletion.record,
                             ReadObjectIfWhole(transaction, *slot));
    deletions_.push_back(std::move(deletion));
  }
  return absl::OkStatus();
}

absl::Status ObjectDeleteBatch::Write(WriteTransaction& transaction) {
  DIPTYCH_ASSIGN_OR_RETURN(Counters counters, ReadCounters(transaction));
  for (const Deletion& deletion : deletions_) {
    DIPTYCH_RETURN_IF_ERROR(
        EraseVersion(transaction, deletion.slot, deletion.record, counters));
    DIPTYCH_RETURN_IF_ERROR(EraseId(transaction, deletion.id));
    counters.objects -= std::min<uint64_t>(counters.objects, 1);
  }
  ChangeRecord change;
  change.first_slot = change.end_slot = counters.next_slot;
  for (const Deletion& deletion : deletions_) {
    change.removed.push_back(deletion.slot);
  }
  std::sort(change.removed.begin(), change.removed.end());
  DIPTYCH_RETURN_IF_ERROR(AppendChange(transaction, change));
  return WriteCounters(transaction, counters);
}

absl::Status ObjectDeleteBatch::Apply(CollectionIndex& index) {
  for (const Deletion& deletion : deletions_) {
    DIPTYCH_RETURN_IF_ERROR(
        deletion.record.has_value()
            ? index.Remove(IndexedObjectOf(deletion.slot, *deletion.record))
            : index.RemoveSlots(SlotSet({deletion.slot})));
  }
  return absl::OkStatus();
}

}  // namespace diptych::storage
