#include "tests/recovery/answer_check.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/status_macros.h"

namespace diptych::storage {
namespace {

absl::Status Differs(absl::string_view asked, absl::string_view expected,
                     absl::string_view found) {
  return absl::DataLossError(absl::StrCat("asked for ", asked, ", expected ",
                                          expected, ", found ", found));
}

std::string FilterOf(const std::string& tag) {
  return absl::StrCat("tag == '", tag, "'");
}

double Distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  }
  return sum;
}

using Matches = std::function<bool(const MarkedVersion&)>;

absl::Status CheckCount(CampaignStubs& stubs, const std::string& filter,
                        const WriteLedger::Objects& objects,
                        const Matches& matches) {
  v1::CountObjectsRequest request;
  request.set_collection(kCampaignCollection);
  request.set_filter_expression(filter);
  v1::CountObjectsResponse response;
  DIPTYCH_RETURN_IF_ERROR(CampaignCall(*stubs.objects,
                                       &v1::ObjectService::Stub::CountObjects,
                                       request, response));
  const auto expected =
      std::count_if(objects.begin(), objects.end(),
                    [&](const auto& entry) { return matches(entry.second); });
  if (response.count() == expected) return absl::OkStatus();
  return Differs(absl::StrCat("the count of ", filter), absl::StrCat(expected),
                 absl::StrCat(response.count()));
}

absl::Status CheckGet(CampaignStubs& stubs, const std::string& id,
                      const WriteLedger::Objects& objects) {
  v1::GetObjectsRequest request;
  request.set_collection(kCampaignCollection);
  request.mutable_projection()->set_vectors(true);
  request.mutable_projection()->set_image_bytes(true);
  request.add_ids(id);
  v1::GetObjectsResponse response;
  DIPTYCH_RETURN_IF_ERROR(CampaignCall(
      *stubs.objects, &v1::ObjectService::Stub::GetObjects, request, response));
  const auto expected = objects.find(id);
  if (response.objects_size() == 0) {
    return expected == objects.end() ? absl::OkStatus()
                                     : Differs(id, "it", "nothing");
  }
  DIPTYCH_ASSIGN_OR_RETURN(const MarkedVersion version,
                           VersionOf(response.objects(0)));
  if (expected != objects.end() && expected->second == version) {
    return absl::OkStatus();
  }
  return Differs(id, "another version", absl::StrCat("write ", version.write));
}

absl::Status CheckOrder(CampaignStubs& stubs,
                        const WriteLedger::Objects& objects) {
  std::vector<std::pair<int64_t, std::string>> expected;
  for (const auto& [id, version] : objects) {
    expected.emplace_back(-version.write, id);
  }
  std::sort(expected.begin(), expected.end());
  v1::ListObjectsRequest request;
  request.set_collection(kCampaignCollection);
  request.mutable_order_by()->set_property("write");
  request.mutable_order_by()->set_descending(true);
  request.set_page_size(31);
  size_t next = 0;
  do {
    v1::ListObjectsResponse response;
    DIPTYCH_RETURN_IF_ERROR(CampaignCall(*stubs.objects,
                                         &v1::ObjectService::Stub::ListObjects,
                                         request, response));
    for (const v1::Object& object : response.objects()) {
      if (next == expected.size() || object.id() != expected[next].second) {
        return Differs(
            "a list in order",
            next == expected.size() ? "its end" : expected[next].second,
            object.id());
      }
      ++next;
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  if (next == expected.size()) return absl::OkStatus();
  return Differs("a list in order", absl::StrCat(expected.size(), " objects"),
                 absl::StrCat(next));
}

absl::Status CheckNearest(CampaignStubs& stubs, const std::string& filter,
                          const WriteLedger::Objects& objects,
                          const Matches& matches, int64_t write) {
  const std::vector<float> query = MarkedVector(write);
  v1::QueryRequest request;
  request.set_collection(kCampaignCollection);
  for (float value : query) {
    request.mutable_near_vector()
        ->mutable_vector()
        ->mutable_dense()
        ->add_values(value);
  }
  request.set_filter_expression(filter);
  request.set_top_k(10);
  v1::QueryResponse response;
  DIPTYCH_RETURN_IF_ERROR(CampaignCall(
      *stubs.search, &v1::SearchService::Stub::Query, request, response));
  std::vector<double> expected;
  for (const auto& [id, version] : objects) {
    if (matches(version)) {
      expected.push_back(Distance(query, MarkedVector(version.write)));
    }
  }
  std::sort(expected.begin(), expected.end());
  expected.resize(std::min<size_t>(expected.size(), 10));
  std::vector<double> found;
  for (const v1::QueryResult& result : response.results()) {
    const auto object = objects.find(result.object().id());
    if (object == objects.end() || !matches(object->second)) {
      return Differs("the nearest", "objects that match", result.object().id());
    }
    found.push_back(Distance(query, MarkedVector(object->second.write)));
  }
  bool same = found.size() == expected.size();
  for (size_t i = 0; same && i < found.size(); ++i) {
    same = std::abs(found[i] - expected[i]) < 1e-4;
  }
  if (same) return absl::OkStatus();
  return Differs(absl::StrCat("the nearest with filter ", filter),
                 absl::StrJoin(expected, " "), absl::StrJoin(found, " "));
}

absl::Status CheckWords(CampaignStubs& stubs, const std::string& word,
                        const WriteLedger::Objects& objects,
                        const Matches& matches) {
  v1::QueryRequest request;
  request.set_collection(kCampaignCollection);
  request.mutable_keyword()->set_text(word);
  request.set_top_k(1000);
  v1::QueryResponse response;
  DIPTYCH_RETURN_IF_ERROR(CampaignCall(
      *stubs.search, &v1::SearchService::Stub::Query, request, response));
  std::set<std::string> expected, found;
  for (const auto& [id, version] : objects) {
    if (matches(version)) expected.insert(id);
  }
  for (const v1::QueryResult& result : response.results()) {
    found.insert(result.object().id());
  }
  if (found == expected) return absl::OkStatus();
  return Differs(word, absl::StrJoin(expected, " "), absl::StrJoin(found, " "));
}

absl::Status CheckStatistics(CampaignStubs& stubs,
                             const WriteLedger::Objects& objects) {
  v1::GetCollectionStatsRequest request;
  request.set_name(kCampaignCollection);
  v1::GetCollectionStatsResponse response;
  DIPTYCH_RETURN_IF_ERROR(CampaignCall(
      *stubs.collections, &v1::CollectionService::Stub::GetCollectionStats,
      request, response));
  const auto size = static_cast<int64_t>(objects.size());
  // A space that never had a vector is listed, too.
  if (response.stats().objects() != size ||
      response.stats().vector_spaces_size() != 1 ||
      response.stats().vector_spaces(0).vectors() != size) {
    return Differs("statistics", absl::StrCat(size, " objects and vectors"),
                   response.stats().ShortDebugString());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WriteLedger::Objects> ListEverything(CampaignStubs& stubs) {
  WriteLedger::Objects objects;
  v1::ListObjectsRequest request;
  request.set_collection(kCampaignCollection);
  request.set_page_size(100);
  request.mutable_projection()->set_vectors(true);
  request.mutable_projection()->set_image_bytes(true);
  do {
    v1::ListObjectsResponse response;
    DIPTYCH_RETURN_IF_ERROR(CampaignCall(*stubs.objects,
                                         &v1::ObjectService::Stub::ListObjects,
                                         request, response));
    for (const v1::Object& object : response.objects()) {
      DIPTYCH_ASSIGN_OR_RETURN(const MarkedVersion version, VersionOf(object));
      if (!objects.emplace(object.id(), version).second) {
        return absl::DataLossError(absl::StrCat("listed twice: ", object.id()));
      }
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return objects;
}

absl::Status CheckAnswers(CampaignStubs& stubs,
                          const WriteLedger::Objects& objects,
                          std::mt19937_64& random) {
  const Matches all = [](const MarkedVersion&) { return true; };
  const auto number = static_cast<int64_t>(random() % 1'000'000);
  const std::string tag = MarkedTag(number);
  const Matches tagged = [&tag](const MarkedVersion& version) {
    return MarkedTag(version.write) == tag;
  };
  DIPTYCH_RETURN_IF_ERROR(CheckStatistics(stubs, objects));
  DIPTYCH_RETURN_IF_ERROR(CheckCount(stubs, "", objects, all));
  DIPTYCH_RETURN_IF_ERROR(CheckCount(stubs, FilterOf(tag), objects, tagged));
  DIPTYCH_RETURN_IF_ERROR(CheckOrder(stubs, objects));
  DIPTYCH_RETURN_IF_ERROR(CheckNearest(stubs, "", objects, all, number));
  DIPTYCH_RETURN_IF_ERROR(
      CheckNearest(stubs, FilterOf(tag), objects, tagged, number));
  const std::string group = MarkedGroup(number);
  DIPTYCH_RETURN_IF_ERROR(
      CheckWords(stubs, group, objects, [&group](const MarkedVersion& version) {
        return MarkedGroup(version.write) == group;
      }));
  // Words of versions that are gone find nothing.
  DIPTYCH_RETURN_IF_ERROR(
      CheckWords(stubs, MarkedWord(-1 - number), objects,
                 [](const MarkedVersion&) { return false; }));
  DIPTYCH_RETURN_IF_ERROR(CheckGet(stubs, "nobody", objects));
  for (int i = 0; i < 3 && !objects.empty(); ++i) {
    const auto entry = std::next(
        objects.begin(), static_cast<ptrdiff_t>(random() % objects.size()));
    DIPTYCH_RETURN_IF_ERROR(CheckGet(stubs, entry->first, objects));
    const int64_t write = entry->second.write;
    DIPTYCH_RETURN_IF_ERROR(CheckWords(stubs, MarkedWord(write), objects,
                                       [write](const MarkedVersion& version) {
                                         return version.write == write;
                                       }));
  }
  return absl::OkStatus();
}

}  // namespace diptych::storage
