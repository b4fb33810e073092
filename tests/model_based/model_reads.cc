// Judging what is read of objects.
#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/message_differencer.h"
#include "tests/model_based/model.h"

namespace diptych::storage {
namespace {

using google::protobuf::util::MessageDifferencer;

// A longer text is ordered by its beginning.
constexpr size_t kOrderedBytesMax = 256;

Numbers NumbersOf(const v1::Vector& vector) {
  return Numbers(vector.dense().values().begin(),
                 vector.dense().values().end());
}

// Where a value comes in an order: its kind, then the number or the text.
using PlaceInOrder = std::tuple<int, long double, std::string>;
// 64 bits of mantissa or more hold every int64 and every double.
static_assert(std::numeric_limits<long double>::digits >= 64);

std::optional<PlaceInOrder> PlaceOf(const v1::Value& value) {
  switch (value.kind_case()) {
    case v1::Value::kBoolValue:
      return PlaceInOrder(0, value.bool_value() ? 1 : 0, "");
    case v1::Value::kIntegerValue:
      return PlaceInOrder(1, value.integer_value(), "");
    case v1::Value::kDoubleValue:
      return PlaceInOrder(1, value.double_value(), "");
    case v1::Value::kTextValue:
      return PlaceInOrder(2, 0, value.text_value().substr(0, kOrderedBytesMax));
    case v1::Value::kTimestampValue:
      return PlaceInOrder(3,
                          value.timestamp_value().seconds() * 1e9L +
                              value.timestamp_value().nanos(),
                          "");
    default:
      return std::nullopt;
  }
}

// Equals, and those without a place, which are last, by their ids.
std::vector<std::string> InOrder(const StoredCollection& collection,
                                 const std::set<std::string>& ids,
                                 const v1::OrderBy& order_by) {
  std::map<PlaceInOrder, std::vector<std::string>> placed;
  std::vector<std::string> last;
  for (const std::string& id : ids) {
    const auto& properties = collection.objects.at(id).properties;
    const auto value = properties.find(order_by.property());
    const auto place =
        value == properties.end() ? std::nullopt : PlaceOf(value->second);
    (place.has_value() ? placed[*place] : last).push_back(id);
  }
  std::vector<std::vector<std::string>> groups;
  for (auto& [place, group] : placed) groups.push_back(std::move(group));
  if (order_by.descending()) std::reverse(groups.begin(), groups.end());
  groups.push_back(std::move(last));
  std::vector<std::string> ordered;
  for (const auto& group : groups)
    ordered.insert(ordered.end(), group.begin(), group.end());
  return ordered;
}

}  // namespace

std::string JudgeObject(const v1::Object& actual, const std::string& id,
                        StoredObject& expected,
                        const v1::Projection& projection) {
  if (actual.id() != id) return absl::StrCat("got ", actual.id(), ", not ", id);
  const auto differs = [&id](const auto&... what) {
    return absl::StrCat("object ", id, ": ", what...);
  };
  const std::set<std::string> wanted(projection.properties().begin(),
                                     projection.properties().end());
  size_t properties = 0;
  for (auto [name, value] : expected.properties) {
    if (projection.no_properties() ||
        (!wanted.empty() && !wanted.contains(name)))
      continue;
    ++properties;
    if (value.has_image_value() && !projection.image_bytes())
      value.mutable_image_value()->clear_data();
    const auto found = actual.properties().find(name);
    if (found == actual.properties().end())
      return differs("lacks the property ", name);
    if (!MessageDifferencer::Equals(found->second, value)) {
      return differs("property ", name, " is ",
                     found->second.ShortDebugString(), ", not ",
                     value.ShortDebugString());
    }
  }
  if (actual.properties().size() != properties)
    return differs("has ", actual.properties().size(), " properties");
  const size_t vectors = projection.vectors() ? expected.vectors.size() : 0;
  if (actual.vectors().size() != vectors)
    return differs("has ", actual.vectors().size(), " vectors, not ", vectors);
  for (const auto& [space, vector] : actual.vectors()) {
    const auto found = expected.vectors.find(space);
    if (found == expected.vectors.end())
      return differs("has a vector in ", space);
    const Numbers numbers = NumbersOf(vector);
    const Numbers& right = found->second.numbers;
    const bool equal = found->second.made
                           ? std::equal(numbers.begin(), numbers.end(),
                                        right.begin(), right.end(), Near)
                           : numbers == right;
    if (!equal) {
      return differs("vector ", space, " is ", absl::StrJoin(numbers, " "),
                     ", not ", absl::StrJoin(right, " "));
    }
  }
  const std::string created = actual.create_time().SerializeAsString();
  if (expected.create_time.value_or(created) != created)
    return differs("its create_time changed");
  expected.create_time = created;
  return "";
}

std::string Model::Judge(const v1::GetObjectsRequest& request,
                         const Answer<v1::GetObjectsResponse>& answer) {
  StoredCollection* collection = Find(request.collection());
  Codes codes;
  if (collection == nullptr) codes = {absl::StatusCode::kNotFound};
  if (auto difference = JudgeStatus(codes, answer.status());
      !difference.empty() || !codes.empty()) {
    return difference;
  }
  int found = 0, missing = 0;
  for (const std::string& id : request.ids()) {
    const auto object = collection->objects.find(id);
    if (object == collection->objects.end()) {
      if (missing == answer->missing_ids_size() ||
          answer->missing_ids(missing++) != id) {
        return absl::StrCat("is not reported as missing: ", id);
      }
      continue;
    }
    if (found == answer->objects_size())
      return absl::StrCat("does not answer with ", id);
    if (auto difference = JudgeObject(answer->objects(found++), id,
                                      object->second, request.projection());
        !difference.empty()) {
      return difference;
    }
  }
  if (found != answer->objects_size() || missing != answer->missing_ids_size())
    return "answers with more than was asked for";
  return "";
}

std::string Model::Judge(
    const v1::ListObjectsRequest& first_page,
    const Answer<std::vector<v1::ListObjectsResponse>>& answer) {
  StoredCollection* collection = Find(first_page.collection());
  Codes codes;
  if (collection == nullptr) codes = {absl::StatusCode::kNotFound};
  if (auto difference = JudgeStatus(codes, answer.status());
      !difference.empty() || !codes.empty()) {
    return difference;
  }
  const std::set<std::string> matching = collection->Matching(
      first_page.has_filter() ? &first_page.filter() : nullptr);
  const std::vector<std::string> ids =
      first_page.has_order_by()
          ? InOrder(*collection, matching, first_page.order_by())
          : std::vector<std::string>(matching.begin(), matching.end());
  auto expected = ids.begin();
  for (const v1::ListObjectsResponse& page : *answer) {
    if (page.objects_size() > first_page.page_size())
      return absl::StrCat("a page of ", page.objects_size());
    for (const v1::Object& object : page.objects()) {
      if (expected == ids.end())
        return absl::StrCat("lists more than matches: ", object.id());
      if (auto difference =
              JudgeObject(object, *expected, collection->objects.at(*expected),
                          first_page.projection());
          !difference.empty()) {
        return difference;
      }
      ++expected;
    }
  }
  if (expected == ids.end()) return "";
  return absl::StrCat("does not list ", *expected);
}

std::string Model::Judge(const v1::CountObjectsRequest& request,
                         const Answer<v1::CountObjectsResponse>& answer) {
  StoredCollection* collection = Find(request.collection());
  Codes codes;
  if (collection == nullptr) codes = {absl::StatusCode::kNotFound};
  if (auto difference = JudgeStatus(codes, answer.status());
      !difference.empty() || !codes.empty()) {
    return difference;
  }
  const size_t count =
      collection->Matching(request.has_filter() ? &request.filter() : nullptr)
          .size();
  if (answer->count() == static_cast<int64_t>(count)) return "";
  return absl::StrCat("counts ", answer->count(), ", not ", count);
}

}  // namespace diptych::storage
