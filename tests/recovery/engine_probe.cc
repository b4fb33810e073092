#include "tests/recovery/engine_probe.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/hash/sha256.h"
#include "common/status/status_macros.h"
#include "storage/engine/data_directory_check.h"

namespace diptych::storage {
namespace {

Properties MarkedProperties(int64_t write) {
  Properties properties;
  properties["write"] = write;
  properties["tag"] = MarkedTag(write);
  properties["words"] =
      absl::StrCat(MarkedWord(write), " ", MarkedGroup(write));
  return properties;
}

std::string MarkedPicture(const std::string& id, const MarkedVersion& version) {
  return MarkedObject(id, version)
      .properties()
      .at("picture")
      .image_value()
      .data();
}

Filter TagFilter(int64_t write) {
  CompareFilter compare;
  compare.property = "tag";
  compare.operand.emplace<std::string>(MarkedTag(write));
  return Filter{std::move(compare)};
}

absl::Status Differs(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("a wrong answer: ", what));
}

absl::StatusOr<MarkedVersion> VersionOfView(const ObjectView& view) {
  const auto number = [&view](const char* name) -> int64_t {
    const auto found = view.object.properties.find(name);
    if (found == view.object.properties.end()) return -1;
    const auto* value = std::get_if<int64_t>(&found->second);
    return value == nullptr ? -1 : *value;
  };
  const MarkedVersion version{number("write"), number("picture_write")};
  Properties whole = MarkedProperties(version.write);
  whole["picture_write"] = version.picture_write;
  const std::string picture = MarkedPicture(view.object.id, version);
  whole["picture"] = ImageReference{Sha256(picture), picture.size(), "", false};
  const auto bytes = view.images.find("picture");
  const auto vector = view.object.vectors.find("default");
  if (view.object.properties == whole && bytes != view.images.end() &&
      bytes->second == picture && vector != view.object.vectors.end() &&
      vector->second == MarkedVector(version.write)) {
    return version;
  }
  return Differs(absl::StrCat(view.object.id, " is not whole"));
}

Projection Everything() {
  Projection projection;
  projection.all_properties = true;
  projection.vectors = true;
  projection.image_bytes = true;
  return projection;
}

double DistanceTo(const std::vector<float>& query, int64_t write) {
  const std::vector<float> vector = MarkedVector(write);
  double sum = 0;
  for (size_t i = 0; i < query.size(); ++i) {
    sum += (double{query[i]} - vector[i]) * (double{query[i]} - vector[i]);
  }
  return sum;
}

absl::Status CheckSearch(Engine& engine, const WriteLedger::Objects& objects) {
  SearchRequest request;
  request.collection = kProbeCollection;
  const std::vector<float> query = MarkedVector(12345);
  request.query = query;
  request.top_k = 1000;
  DIPTYCH_ASSIGN_OR_RETURN(const SearchResult result,
                           engine.Search({}, request));
  if (result.hits.size() != objects.size()) return Differs("nearest, how many");
  double last = 0;
  for (const SearchHit& hit : result.hits) {
    const auto found = objects.find(hit.view.object.id);
    if (found == objects.end()) return Differs("nearest, a stranger");
    const double distance = DistanceTo(query, found->second.write);
    if (std::abs(distance - hit.distance) > 1e-4 || distance < last - 1e-4) {
      return Differs("nearest, a distance");
    }
    last = distance;
  }
  return absl::OkStatus();
}

absl::Status CheckWords(Engine& engine, const WriteLedger::Objects& objects) {
  for (int64_t group = 0; group < kMarkedGroups; ++group) {
    KeywordSearchRequest request;
    request.collection = kProbeCollection;
    request.keywords.text = MarkedGroup(group);
    request.top_k = 1000;
    DIPTYCH_ASSIGN_OR_RETURN(const KeywordSearchResult result,
                             engine.SearchKeywords({}, request));
    const auto expected = std::count_if(
        objects.begin(), objects.end(), [group](const auto& entry) {
          return MarkedGroup(entry.second.write) == MarkedGroup(group);
        });
    if (result.hits.size() != static_cast<size_t>(expected)) {
      return Differs("words, how many");
    }
    for (const KeywordHit& hit : result.hits) {
      const auto found = objects.find(hit.view.object.id);
      if (found == objects.end() ||
          MarkedGroup(found->second.write) != MarkedGroup(group)) {
        return Differs("words, another object");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCounts(Engine& engine, const WriteLedger::Objects& objects) {
  for (int64_t tag = 0; tag < kMarkedTags; ++tag) {
    CountObjectsRequest request;
    request.collection = kProbeCollection;
    request.filter = TagFilter(tag);
    DIPTYCH_ASSIGN_OR_RETURN(const uint64_t count,
                             engine.CountObjects({}, request));
    const auto expected =
        std::count_if(objects.begin(), objects.end(), [tag](const auto& entry) {
          return MarkedTag(entry.second.write) == MarkedTag(tag);
        });
    if (count != static_cast<uint64_t>(expected)) return Differs("a count");
  }
  DIPTYCH_ASSIGN_OR_RETURN(const uint64_t count,
                           engine.CountObjects({}, {kProbeCollection, {}}));
  DIPTYCH_ASSIGN_OR_RETURN(const CollectionStats stats,
                           engine.GetCollectionStats({}, kProbeCollection));
  if (count != objects.size() || stats.objects != objects.size() ||
      stats.vector_spaces.at(0).vectors != objects.size()) {
    return Differs("the count of all");
  }
  return absl::OkStatus();
}

absl::Status CheckOrder(Engine& engine, const WriteLedger::Objects& objects) {
  std::vector<std::pair<int64_t, std::string>> expected, found;
  for (const auto& [id, version] : objects) {
    expected.emplace_back(version.write, id);
  }
  std::sort(expected.begin(), expected.end());
  ListObjectsRequest request;
  request.collection = kProbeCollection;
  request.order_by = OrderBy{"write", false};
  request.page_size = 10;
  request.projection = Everything();
  do {
    DIPTYCH_ASSIGN_OR_RETURN(const ListObjectsResult page,
                             engine.ListObjects({}, request));
    for (const ObjectView& view : page.objects) {
      DIPTYCH_ASSIGN_OR_RETURN(const MarkedVersion version,
                               VersionOfView(view));
      found.emplace_back(version.write, view.object.id);
    }
    request.page_token = page.next_page_token;
  } while (!request.page_token.empty());
  return found == expected ? absl::OkStatus() : Differs("the order");
}

}  // namespace

ObjectWrite MarkedWrite(const std::string& id, const MarkedVersion& version) {
  ObjectWrite object;
  object.id = id;
  object.properties = MarkedProperties(version.write);
  object.properties["picture_write"] = version.picture_write;
  object.images["picture"] = MarkedPicture(id, version);
  object.vectors["default"] = MarkedVector(version.write);
  return object;
}

absl::StatusOr<WriteLedger::Objects> ListEngine(Engine& engine) {
  WriteLedger::Objects objects;
  ListObjectsRequest request;
  request.collection = kProbeCollection;
  request.page_size = 7;
  request.projection = Everything();
  do {
    DIPTYCH_ASSIGN_OR_RETURN(const ListObjectsResult page,
                             engine.ListObjects({}, request));
    for (const ObjectView& view : page.objects) {
      DIPTYCH_ASSIGN_OR_RETURN(objects[view.object.id], VersionOfView(view));
    }
    request.page_token = page.next_page_token;
  } while (!request.page_token.empty());
  return objects;
}

absl::Status CheckEngine(Engine& engine, const WriteLedger::Objects& objects) {
  DIPTYCH_ASSIGN_OR_RETURN(const WriteLedger::Objects listed,
                           ListEngine(engine));
  if (listed != objects) return Differs("the list of all objects");
  DIPTYCH_RETURN_IF_ERROR(CheckSearch(engine, objects));
  DIPTYCH_RETURN_IF_ERROR(CheckWords(engine, objects));
  DIPTYCH_RETURN_IF_ERROR(CheckCounts(engine, objects));
  return CheckOrder(engine, objects);
}

EngineProbe::EngineProbe(const std::filesystem::path& directory) {
  options_.data_directory = directory / "data";
  options_.snapshot_directory = directory / "snapshots";
}

absl::Status EngineProbe::Begin() {
  DIPTYCH_ASSIGN_OR_RETURN(engine_, LocalEngine::Open(options_));
  CreateCollectionRequest request;
  request.spec.name = kProbeCollection;
  VectorSpace& space = request.spec.vector_spaces.emplace_back();
  space.name = kDefaultVectorSpace;
  space.metric = Metric::kSquaredL2;
  DIPTYCH_RETURN_IF_ERROR(engine_->CreateCollection({}, request).status());
  return Upsert({"a", "b", "c", "d", "e", "f", "g", "h"});
}

std::vector<EngineProbe::Step> EngineProbe::Steps() {
  return {
      {"upsert",
       [this] {
         return Upsert({"a", "b", "i", "j"});
       }},
      {"insert",
       [this] {
         return Insert({"b", "k", "l"});
       }},
      {"update",
       [this] {
         return Update({"a", "c", "nobody"});
       }},
      {"delete",
       [this] {
         return DeleteIds({"d", "nobody"});
       }},
      {"delete by filter",
       [this] {
         return DeleteByFilter(ledger_.objects().contains("e")
                                   ? ledger_.objects().at("e").write
                                   : 0);
       }},
      {"import",
       [this] {
         return Import({"m", "n", "a", "b"});
       }},
      {"compact",
       [this] {
         return engine_->CompactCollection({}, kProbeCollection).status();
       }},
      {"snapshot",
       [this] { return engine_->CreateSnapshot({}, "saved").status(); }},
      {"create a collection",
       [this] {
         CreateCollectionRequest request;
         request.spec.name = "other";
         return engine_->CreateCollection({}, request).status();
       }},
      {"rename a collection",
       [this] {
         UpdateCollectionRequest request;
         request.name = "other";
         request.new_name = "renamed";
         return engine_->UpdateCollection({}, request).status();
       }},
      {"delete a collection",
       [this] { return engine_->DeleteCollection({}, "renamed"); }},
      {"flush", [this] { return engine_->Flush({}, kProbeCollection); }},
      {"upsert again",
       [this] {
         return Upsert({"a", "o"});
       }},
  };
}

absl::Status EngineProbe::Finished(absl::Status status) {
  if (status.ok()) ledger_.Acknowledge(ledger_.begun());
  return status;
}

absl::Status EngineProbe::Upsert(const std::vector<std::string>& ids) {
  WriteObjectsRequest request;
  request.collection = kProbeCollection;
  WriteLedger::Change change;
  for (const std::string& id : ids) {
    const int64_t write = ++writes_;
    request.objects.push_back(MarkedWrite(id, {write, write}));
    change[id] = {write, write};
  }
  ledger_.Begin(std::move(change));
  return Finished(engine_->WriteObjects({}, std::move(request)).status());
}

absl::Status EngineProbe::Insert(const std::vector<std::string>& ids) {
  WriteObjectsRequest request;
  request.collection = kProbeCollection;
  request.mode = WriteMode::kInsert;
  WriteLedger::Change change;
  for (const std::string& id : ids) {
    const int64_t write = ++writes_;
    request.objects.push_back(MarkedWrite(id, {write, write}));
    if (!ledger_.objects().contains(id)) change[id] = {write, write};
  }
  ledger_.Begin(std::move(change));
  return Finished(engine_->WriteObjects({}, std::move(request)).status());
}

absl::Status EngineProbe::Update(const std::vector<std::string>& ids) {
  UpdateObjectsRequest request;
  request.collection = kProbeCollection;
  WriteLedger::Change change;
  for (const std::string& id : ids) {
    const int64_t write = ++writes_;
    ObjectWrite& object = request.objects.emplace_back();
    object.id = id;
    object.properties = MarkedProperties(write);
    object.vectors["default"] = MarkedVector(write);
    const auto found = ledger_.objects().find(id);
    if (found != ledger_.objects().end()) {
      change[id] = {write, found->second.picture_write};
    }
  }
  ledger_.Begin(std::move(change));
  return Finished(engine_->UpdateObjects({}, std::move(request)).status());
}

absl::Status EngineProbe::DeleteIds(const std::vector<std::string>& ids) {
  DeleteObjectsRequest request;
  request.collection = kProbeCollection;
  request.ids = ids;
  WriteLedger::Change change;
  for (const std::string& id : ids) change[id] = std::nullopt;
  ledger_.Begin(std::move(change));
  return Finished(engine_->DeleteObjects({}, request).status());
}

absl::Status EngineProbe::DeleteByFilter(int64_t write) {
  DeleteObjectsRequest request;
  request.collection = kProbeCollection;
  request.filter = TagFilter(write);
  WriteLedger::Change change;
  for (const auto& [id, version] : ledger_.objects()) {
    if (MarkedTag(version.write) == MarkedTag(write)) change[id] = std::nullopt;
  }
  ledger_.Begin(std::move(change));
  return Finished(engine_->DeleteObjects({}, request).status());
}

absl::Status EngineProbe::Import(const std::vector<std::string>& ids) {
  DIPTYCH_ASSIGN_OR_RETURN(
      const auto import,
      engine_->OpenImport({}, kProbeCollection, WriteMode::kUpsert));
  std::vector<ImportObject> objects;
  for (const std::string& id : ids) {
    const int64_t write = ++writes_;
    ImportObject& object = objects.emplace_back();
    object.index = objects.size() - 1;
    object.write = MarkedWrite(id, {write, write});
    ledger_.Begin({{id, MarkedVersion{write, write}}});
  }
  // Objects that bring their vectors are ready at once.
  std::vector<std::unique_ptr<PreparedObjects>> prepared;
  DIPTYCH_RETURN_IF_ERROR(
      import->Prepare({}, std::move(objects),
                      [&prepared](std::unique_ptr<PreparedObjects> ready) {
                        prepared.push_back(std::move(ready));
                      }));
  DIPTYCH_ASSIGN_OR_RETURN(const std::vector<ImportOutcome> outcomes,
                           import->Commit({}, std::move(prepared)));
  for (const ImportOutcome& outcome : outcomes) {
    DIPTYCH_RETURN_IF_ERROR(outcome.outcome.status());
  }
  return Finished(absl::OkStatus());
}

absl::Status EngineProbe::WriteOneMore() { return Upsert({"one more"}); }

absl::Status EngineProbe::Settle() {
  DIPTYCH_ASSIGN_OR_RETURN(const WriteLedger::Objects found,
                           ListEngine(*engine_));
  return ledger_.Settle(found);
}

absl::Status EngineProbe::Check() {
  return CheckEngine(*engine_, ledger_.objects());
}

absl::Status EngineProbe::Reopen() {
  DIPTYCH_ASSIGN_OR_RETURN(const ListCollectionsResult before,
                           engine_->ListCollections({}, {}));
  engine_.reset();
  DIPTYCH_ASSIGN_OR_RETURN(engine_, LocalEngine::Open(options_));
  DIPTYCH_ASSIGN_OR_RETURN(const ListCollectionsResult after,
                           engine_->ListCollections({}, {}));
  const auto names = [](const ListCollectionsResult& result) {
    std::vector<std::string> result_names;
    for (const Collection& collection : result.collections) {
      result_names.push_back(collection.spec.name);
    }
    return result_names;
  };
  return names(before) == names(after)
             ? absl::OkStatus()
             : Differs("collections after opening again");
}

absl::Status EngineProbe::CheckAndClose() {
  DIPTYCH_RETURN_IF_ERROR(Check());
  DIPTYCH_RETURN_IF_ERROR(WriteOneMore());
  DIPTYCH_RETURN_IF_ERROR(Check());
  DIPTYCH_RETURN_IF_ERROR(Reopen());
  DIPTYCH_RETURN_IF_ERROR(Check());
  return CloseAndCheckFiles();
}

absl::Status EngineProbe::CloseAndCheckFiles() {
  engine_.reset();
  DIPTYCH_ASSIGN_OR_RETURN(const DirectoryCheck check,
                           CheckDataDirectory(options_.data_directory));
  for (const DirectoryFinding& finding : check.findings) {
    return absl::DataLossError(absl::StrCat(finding.where, ": ", finding.what));
  }
  return absl::OkStatus();
}

}  // namespace diptych::storage
