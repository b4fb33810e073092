// The importing part of LocalEngine.
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/local_engine.h"

namespace diptych::storage {

// Holds no collection alive: one that is deleted while its import goes on is
// removed like any other.
class LocalEngine::Import final : public ObjectImport {
 public:
  Import(const LocalEngine& engine, std::shared_ptr<LocalCollection> collection,
         WriteMode mode)
      : engine_(engine),
        collection_(collection),
        uid_(collection->description().uid),
        name_(collection->description().spec.name),
        mode_(mode) {}

  absl::Status Prepare(const CallContext& context,
                       std::vector<ImportObject> objects,
                       Prepared done) override {
    DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context));
    return collection->PrepareImport(context, mode_, std::move(objects),
                                     std::move(done));
  }

  absl::StatusOr<std::vector<ImportOutcome>> Commit(
      const CallContext& context,
      std::vector<std::unique_ptr<PreparedObjects>> prepared) override {
    DIPTYCH_ASSIGN_OR_RETURN(auto collection, Find(context));
    auto outcomes =
        collection->CommitImport(context, mode_, std::move(prepared));
    DIPTYCH_RETURN_IF_ERROR(outcomes.status());
    // Deleted meanwhile: what was written went with it.
    DIPTYCH_RETURN_IF_ERROR(Find(context).status());
    return outcomes;
  }

 private:
  // The collection, which may have been renamed, while the engine has it.
  absl::StatusOr<std::shared_ptr<LocalCollection>> Find(
      const CallContext& context) const {
    DIPTYCH_RETURN_IF_ERROR(context.Check(engine_.options_.clock->Now()));
    const std::shared_ptr<LocalCollection> collection = collection_.lock();
    if (collection != nullptr) {
      const std::string name = collection->description().spec.name;
      absl::MutexLock lock(&engine_.mutex_);
      const auto found = engine_.collections_.find(name);
      if (found != engine_.collections_.end() && found->second.ok() &&
          *found->second == collection) {
        return collection;
      }
    }
    return ResourceNotFound(
        "collection", name_,
        absl::StrCat("the collection was deleted while objects were imported "
                     "into it: ",
                     name_, ", uid ", uid_));
  }

  const LocalEngine& engine_;
  const std::weak_ptr<LocalCollection> collection_;
  const std::string uid_;
  const std::string name_;
  const WriteMode mode_;
};

absl::StatusOr<std::unique_ptr<ObjectImport>> LocalEngine::OpenImport(
    const CallContext& context, absl::string_view collection, WriteMode mode) {
  DIPTYCH_ASSIGN_OR_RETURN(auto found, Find(context, collection));
  return std::make_unique<Import>(*this, std::move(found), mode);
}

}  // namespace diptych::storage
