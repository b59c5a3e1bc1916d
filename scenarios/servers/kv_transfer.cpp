#include "scenarios/servers/kv_transfer.hpp"

#include <nlohmann/json.hpp>

namespace windtunnel {

std::optional<std::string> read_kv_transfer_config(const std::string& text, ModelServer& server) {
    const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object())
        return "found \"" + text +
               "\", allowed: a JSON object such as "
               "{\"kv_connector\":\"NixlConnector\",\"kv_role\":\"kv_both\"}";
    const auto word = [&](const char* key) {
        return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
    };
    const std::string role = word("kv_role"), policy = word("kv_load_failure_policy");
    if (role == "kv_producer")
        server.kv_role = KvRole::producer;
    else if (role == "kv_consumer")
        server.kv_role = KvRole::consumer;
    else if (role == "kv_both")
        server.kv_role = KvRole::both;
    else
        return "found kv_role \"" + role + "\", allowed: kv_producer, kv_consumer or kv_both";
    if (!policy.empty() && policy != "recompute" && policy != "fail")
        return "found kv_load_failure_policy \"" + policy + "\", allowed: recompute or fail";
    server.kv_loss_fails = policy == "fail";
    return std::nullopt;
}

}  // namespace windtunnel
