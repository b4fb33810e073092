#include "tests/recovery/write_ledger.h"

#include "absl/strings/str_cat.h"

namespace diptych::storage {
namespace {

void Apply(const WriteLedger::Change& change, WriteLedger::Objects& objects) {
  for (const auto& [id, version] : change) {
    if (version.has_value()) {
      objects[id] = *version;
    } else {
      objects.erase(id);
    }
  }
}

std::string Text(const WriteLedger::Objects& objects, const std::string& id) {
  const auto found = objects.find(id);
  if (found == objects.end()) return "not there";
  return absl::StrCat("write ", found->second.write, ", picture of ",
                      found->second.picture_write);
}

}  // namespace

void WriteLedger::Acknowledge(size_t count) {
  for (; count > 0; --count) {
    Apply(begun_.front(), objects_);
    begun_.pop_front();
  }
}

WriteLedger::Objects WriteLedger::ObjectsAfterAll() const {
  Objects objects = objects_;
  for (const Change& change : begun_) Apply(change, objects);
  return objects;
}

absl::Status WriteLedger::Settle(const Objects& found) {
  Objects possible = objects_;
  bool explained = possible == found;
  for (const Change& change : begun_) {
    Apply(change, possible);
    explained = explained || possible == found;
  }
  if (explained) {
    objects_ = found;
    begun_.clear();
    return absl::OkStatus();
  }
  std::string message =
      absl::StrCat("no first ones of ", begun_.size(),
                   " unacknowledged writes lead to what was found;");
  Objects all = objects_;
  all.insert(found.begin(), found.end());
  for (const auto& [id, version] : all) {
    if (Text(objects_, id) == Text(found, id)) continue;
    absl::StrAppend(&message, " ", id, ": acknowledged ", Text(objects_, id),
                    ", begun ", Text(possible, id), ", found ", Text(found, id),
                    ";");
  }
  return absl::DataLossError(message);
}

}  // namespace diptych::storage
