#pragma once
#include "models/host_device.hpp"

#include <cstdint>
#include <string_view>

/// What a model server's endpoints say, while it loads, serves, and is ill.
namespace windtunnel {

/// How a server's endpoints come up. Where nothing is said the source is the project's own code, from
/// general knowledge, 2025.
enum class HealthFamily : std::uint8_t {
    /// The port is bound but nobody listens until weights are loaded and graphs captured: connection refused,
    /// then all endpoints at once (vllm.md 7.1). Likewise for a plain TCP check.
    vllm,
    /// text-generation-launcher starts the router after its shards are ready: refused, then all at once. Its
    /// /health generates a token as long as no request has succeeded lately, so it notices a dead shard.
    tgi,
    /// tritonserver opens its ports after the models of the repository are loaded (model-control-mode none).
    triton,
    /// A wrapper whose web server is up with the process and answers its /health at once, loaded or not (the
    /// FastAPI pattern); it lists models, and generates, only once it is loaded. Declared, never guessed.
    early_health,
};

/// What a probe looks at.
enum class HealthEndpoint : std::uint8_t {
    health,     ///< /health, /ping, /v2/health/live and /ready, /metrics
    models,     ///< /v1/models and other answers that need a loaded model
    port,       ///< a TCP connection
    inference,  ///< a known prompt whose answer is checked
    always,     ///< succeeds as long as the container runs (exec of something unrelated)
};

enum class ServerCondition : std::uint8_t {
    loading,  ///< the process runs, the model is not loaded
    serving,
    garbage,  ///< alive, and its answers are wrong
    slow,     ///< alive, and every step takes a multiple of its time
    dead,     ///< the process is there, its engine is not
};

enum class HealthAnswer : std::uint8_t {
    refused,  ///< a connection error or an error status: known at once
    good,     ///< a success, known at once
    infers,   ///< a success after a real inference's time
};

/// What a probe of `endpoint` gets. A garbage answer fails a check that looks at it, at the inference's end;
/// `refused` stands for it too.
WT_HD constexpr HealthAnswer health_answer(HealthFamily family, HealthEndpoint endpoint,
                                           ServerCondition condition) {
    if (endpoint == HealthEndpoint::always) return HealthAnswer::good;
    if (condition == ServerCondition::loading) {
        const bool early = family == HealthFamily::early_health &&
                           (endpoint == HealthEndpoint::health || endpoint == HealthEndpoint::port);
        return early ? HealthAnswer::good : HealthAnswer::refused;
    }
    if (condition == ServerCondition::dead) {
        const bool unaware = endpoint == HealthEndpoint::port ||
                             (endpoint == HealthEndpoint::health && family == HealthFamily::early_health);
        return unaware ? HealthAnswer::good : HealthAnswer::refused;
    }
    if (endpoint != HealthEndpoint::inference) return HealthAnswer::good;
    return condition == ServerCondition::garbage ? HealthAnswer::refused : HealthAnswer::infers;
}

/// What happens to requests in flight at SIGTERM.
enum class SigtermBehaviour : std::uint8_t {
    abort,  ///< they end broken (vLLM, vllm.md 7.4)
    drain,  ///< they are finished within the grace, new connections are refused (TGI's router, Triton)
};
WT_HD constexpr SigtermBehaviour sigterm_behaviour(HealthFamily family) {
    return family == HealthFamily::tgi || family == HealthFamily::triton ? SigtermBehaviour::drain
                                                                         : SigtermBehaviour::abort;
}

/// The endpoint behind the path of an httpGet probe (its query left out).
[[nodiscard]] constexpr HealthEndpoint health_endpoint_of(std::string_view path) {
    path = path.substr(0, path.find('?'));
    while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
    if (path == "/v1/models" || path == "/info" || path == "/v2/repository/index")
        return HealthEndpoint::models;
    if (path == "/generate" || path == "/v1/completions" || path == "/v1/chat/completions" ||
        path == "/health_generate")
        return HealthEndpoint::inference;
    return HealthEndpoint::health;
}

}  // namespace windtunnel
