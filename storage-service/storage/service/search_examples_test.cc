// Every example of docs/search.md is answered.
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "storage/service/storage_services_fixture.h"

namespace diptych::storage {
namespace {

// What stands between "-d '" and "'".
std::vector<std::string> RequestsOf(const std::string& page) {
  const std::string opening = "grpcurl -plaintext -d '";
  std::vector<std::string> requests;
  size_t at = 0;
  while ((at = page.find(opening, at)) != std::string::npos) {
    at += opening.size();
    requests.push_back(page.substr(at, page.find('\'', at) - at));
  }
  return requests;
}

TEST_F(StorageServicesTest, TheExamplesOfTheSearchPageAreAnswered) {
  const char* root = std::getenv("DIPTYCH_SOURCE_DIR");
  ASSERT_NE(root, nullptr);
  std::ifstream file(absl::StrCat(root, "/docs/search.md"));
  std::stringstream page;
  page << file.rdbuf();
  const std::vector<std::string> requests = RequestsOf(page.str());
  ASSERT_GE(requests.size(), 11u);

  ASSERT_THAT(Create(R"(collection { name: "gallery"
                    vector_spaces { vectorizer {
                        text_fields { property: "document" weight: 1 }
                        image_fields { property: "image" weight: 1 } } }
                    vector_spaces { name: "title" vectorizer {
                        text_fields { property: "title" weight: 1 } } } })"),
              IsOk());
  std::string objects = R"(collection: "gallery" )";
  for (const std::string id : {"one", "two", "three", "four"}) {
    absl::StrAppend(&objects, "objects { id: '", id, "' ");
    for (const std::string property : {"document", "title", "video"}) {
      absl::StrAppend(&objects, "properties { key: '", property,
                      "' value { text_value: '", id,
                      property == "document" ? ", a red sofa" : "", "' } } ");
    }
    absl::StrAppend(&objects,
                    "properties { key: 'price' value { integer_value: 100 } } "
                    "} ");
  }
  ASSERT_THAT(Upsert(objects), IsOk());

  for (const std::string& json : requests) {
    v1::QueryRequest request;
    ASSERT_TRUE(
        google::protobuf::util::JsonStringToMessage(json, &request).ok())
        << json;
    // What vectors a test's vectorizer makes says nothing of nearness.
    request.clear_min_certainty();
    grpc::ClientContext context;
    v1::QueryResponse response;
    const grpc::Status status = search_->Query(&context, request, &response);
    EXPECT_TRUE(status.ok()) << json << "\n" << status.error_message();
    EXPECT_GT(response.results_size(), 0) << json;
  }
}

}  // namespace
}  // namespace diptych::storage
