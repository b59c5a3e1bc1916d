#pragma once
#include "scenarios/servers/model_server.hpp"

#include <optional>
#include <string>

namespace windtunnel {

/// Reads vLLM's `--kv-transfer-config` into a server. What is wrong with it, if anything.
[[nodiscard]] std::optional<std::string> read_kv_transfer_config(const std::string& json,
                                                                 ModelServer& server);

}  // namespace windtunnel
