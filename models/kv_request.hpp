#pragma once
#include "models/kv_capacity.hpp"

namespace windtunnel {

/// Resolves the names, types, limits and parallelism of a request into `out`, whose other members stay as
/// they are. Returns every usage error; `out` is only complete when there is none.
[[nodiscard]] Problems read_kv_request(const KvRequest& request, KvCapacity& out);

}  // namespace windtunnel
