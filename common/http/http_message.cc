#include "common/http/http_message.h"

#include "nlohmann/json.hpp"

namespace diptych {

HttpResponse JsonError(int status, absl::string_view message) {
  // Messages quote what clients sent, so they may hold anything.
  return {status,
          nlohmann::json({{"error", std::string(message)}})
              .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

}  // namespace diptych
