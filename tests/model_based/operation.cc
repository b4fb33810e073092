#include "tests/model_based/operation.h"

#include <type_traits>

#include "absl/strings/str_cat.h"

namespace diptych::storage {
namespace {

struct TextWriter {
  bool send_filter_text;

  std::string operator()(const Restart&) const { return "Restart"; }
  std::string operator()(const ListAllCollections& request) const {
    return (*this)(request.first_page);
  }
  std::string operator()(const ListAllObjects& request) const {
    return absl::StrCat(
        request.restart_between ? "(restart after the first page) " : "",
        Filtered(request.first_page));
  }
  std::string operator()(const Import& import) const {
    std::string text = Plain(import.header);
    for (const v1::ImportChunk& chunk : import.chunks)
      absl::StrAppend(&text, " ", Plain(chunk));
    return text;
  }
  template <typename Request>
  std::string operator()(const Request& request) const {
    if constexpr (std::is_same_v<Request, v1::DeleteObjectsRequest> ||
                  std::is_same_v<Request, v1::CountObjectsRequest> ||
                  std::is_same_v<Request, v1::QueryRequest> ||
                  std::is_same_v<Request, v1::BatchQueryRequest>) {
      return Filtered(request);
    } else {
      return Plain(request);
    }
  }

 private:
  template <typename Request>
  std::string Filtered(const Request& request) const {
    return Plain(WithOneFilter(request, send_filter_text));
  }
  static std::string Plain(const google::protobuf::Message& request) {
    return absl::StrCat(request.GetDescriptor()->name(), " { ",
                        request.ShortDebugString(), " }");
  }
};

}  // namespace

std::string ToText(const Operation& operation) {
  return std::visit(TextWriter{operation.send_filter_text}, operation.request);
}

}  // namespace diptych::storage
