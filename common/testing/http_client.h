// An HTTP client for tests. cpp-httplib's own gives a server up that was silent
// for 5 seconds, which on a busy machine says nothing about the server.
#pragma once

#include <ctime>
#include <memory>

#include "httplib.h"

namespace diptych {

// A client of the loopback that keeps its connection, and waits for an answer
// longer than any test may take.
inline std::unique_ptr<httplib::Client> ConnectHttp(int port) {
  constexpr time_t kPatienceSeconds = 3600;
  auto client = std::make_unique<httplib::Client>("127.0.0.1", port);
  client->set_keep_alive(true);
  client->set_read_timeout(kPatienceSeconds);
  client->set_write_timeout(kPatienceSeconds);
  return client;
}

}  // namespace diptych
