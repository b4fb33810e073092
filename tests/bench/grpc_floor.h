// What gRPC itself takes for a call of a query's size: the time below which no
// service over it can answer.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace diptych {

struct GrpcFloor {
  std::string api;  // "callback", "completion queue", "synchronous"
  // Of the processor, before the answer is sent.
  double work_milliseconds = 0;
  double p50_milliseconds = 0;  // as the client sees it
  double p99_milliseconds = 0;
};

// Each of gRPC's three ways to serve, with and without work, by servers of this
// process that answer a query of `dimension` components with results of no
// meaning. One client asks, one call after the other; the ways take turns.
std::vector<GrpcFloor> MeasureGrpcFloor(size_t dimension, double seconds,
                                        size_t rounds);

}  // namespace diptych
