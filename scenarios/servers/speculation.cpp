#include "scenarios/servers/speculation.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "models/lower_case.hpp"
#include "scenarios/documents/suggest.hpp"

namespace windtunnel {
namespace {

/// How a method makes its drafts.
enum class Drafter { nothing, heads, layer, model };
struct Method {
    const char* name;
    Drafter drafter;
    double acceptance;  ///< that a draft is accepted when those before it were, where nobody says
    bool lookahead;     ///< asks for slots behind its tokens (vllm.md 2.10)
    bool ahead;         ///< its drafts stay on the GPU, so that steps may be scheduled asynchronously (vllm.md 1.13.10)
};
/// Acceptance depends on model and text. MTP: DeepSeek-V3's report (December 2024) gives 85 to 90 % for the
/// second token. The others are our estimates of what is common in chat, 2025.
constexpr Method methods[] = {
    {"ngram", Drafter::nothing, 0.3, false, false}, {"ngram_gpu", Drafter::nothing, 0.3, false, true},
    {"suffix", Drafter::nothing, 0.4, false, false}, {"medusa", Drafter::heads, 0.5, false, false},
    {"mlp_speculator", Drafter::heads, 0.5, false, false}, {"eagle", Drafter::layer, 0.65, true, true},
    {"eagle3", Drafter::layer, 0.75, true, true}, {"mtp", Drafter::layer, 0.85, true, true},
    {"draft_model", Drafter::model, 0.7, true, true}};

const Method* find_method(const std::string& name) {
    // deepseek_mtp, qwen3_next_mtp, ... are one method under the names of their models.
    const std::string plain = name.ends_with("mtp") ? "mtp" : name;
    for (const Method& m : methods)
        if (plain == m.name) return &m;
    return nullptr;
}

std::string method_of_model(const std::string& model) {
    const std::string lower = lower_case(model);
    if (lower == "[ngram]" || lower == "ngram") return "ngram";
    for (const char* known : {"eagle3", "eagle", "medusa", "mtp"})
        if (lower.find(known) != std::string::npos) return known;
    return "draft_model";
}

/// One forward pass of what drafts, by rows.
std::vector<Tick> pass_times(const Method& method, const Speculation& spec, const ModelServer& server,
                             const KvCapacity& capacity, const StepTimeOptions& options,
                             const std::vector<Tick>& target, std::string& wrong) {
    std::vector<Tick> pass(target.size());
    if (method.drafter == Drafter::heads || method.drafter == Drafter::layer) {
        // One layer of the model and its LM head [estimate: as much as one and a half layers].
        for (std::size_t rows = 1; rows < pass.size(); ++rows)
            pass[rows].count =
                std::llround(static_cast<double>(target[rows].count) * 1.5 / capacity.shape.layers);
    } else if (method.drafter == Drafter::model) {
        KvRequest request;
        request.model = spec.model;
        request.gpu = capacity.gpu.name;
        request.tensor_parallel = capacity.tensor_parallel;
        request.vllm_version = server.vllm_version;
        request.max_num_seqs = capacity.limits.max_num_seqs;
        request.max_num_batched_tokens = capacity.limits.max_num_batched_tokens;
        request.kv_cache_gib = 1;  // its time alone is asked for
        const Result<KvCapacity> draft = kv_capacity(request);
        if (!draft) {
            wrong = "the draft model: " + draft.problems().front().message;
            return pass;
        }
        const StepCostTable cost = step_cost_table(*draft, options);
        for (std::size_t rows = 1; rows < pass.size() && rows < cost.decode_step.size(); ++rows)
            pass[rows] = cost.decode_step[rows];
    }
    return pass;
}

}  // namespace

std::optional<std::string> read_speculative_config(const std::string& text, Speculation& out) {
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object())
        return "found \"" + text +
               "\", allowed: a JSON object as {\"method\": \"eagle3\", \"num_speculative_tokens\": 3}";
    const auto word = [&](const char* key) {
        return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
    };
    out.model = word("model");
    out.method = word("method");
    if (out.method.empty() && out.model.empty())
        return std::string("found neither method nor model, allowed: at least one of them");
    if (out.method.empty()) out.method = method_of_model(out.model);
    const Method* method = find_method(out.method);
    if (method == nullptr) {
        std::vector<std::string> names;
        for (const Method& m : methods) names.emplace_back(m.name);
        return "found the method \"" + out.method + "\", allowed: " + join(names) +
               did_you_mean(out.method, names);
    }
    if (method->drafter == Drafter::model && out.model.empty())
        return std::string("found no model for draft_model, allowed: model: NAME");
    if (!json.contains("num_speculative_tokens")) {
        if (std::string_view(method->name) != "mtp")
            return std::string("found no num_speculative_tokens, allowed: an integer from 1 to 64");
        out.tokens = 1;
    } else if (!json["num_speculative_tokens"].is_number_integer() || json["num_speculative_tokens"] < 1 ||
               json["num_speculative_tokens"] > 64) {
        return "found num_speculative_tokens: " + json["num_speculative_tokens"].dump() +
               ", allowed: an integer from 1 to 64";
    } else {
        out.tokens = json["num_speculative_tokens"].get<std::int32_t>();
    }
    if (json.contains("disable_padded_drafter_batch")) {
        if (!json["disable_padded_drafter_batch"].is_boolean())
            return "found disable_padded_drafter_batch: " + json["disable_padded_drafter_batch"].dump() +
                   ", allowed: true or false";
        out.padded_batches = !json["disable_padded_drafter_batch"].get<bool>();
    }
    if (json.contains("disable_by_batch_size"))
        return std::string("disable_by_batch_size is not simulated, allowed: leave it out");
    return std::nullopt;
}

std::optional<std::string> apply_speculation(const ModelServer& server, const KvCapacity& capacity,
                                             const StepTimeOptions& options, ServerParts& parts,
                                             std::vector<std::string>& warnings) {
    const Speculation& spec = *server.speculation;
    const Method& method = *find_method(spec.method);
    const double acceptance = server.acceptance_rate.value_or(method.acceptance);
    if (!server.acceptance_rate)
        warnings.push_back(fmt::format(
            "speculative decoding with {}: {} % of drafts are taken to be accepted behind accepted ones, "
            "an estimate; windtunnel.dev/acceptance-rate (server.acceptance_rate) says it",
            spec.method, std::lround(100 * acceptance)));
    if (method.drafter == Drafter::model)
        warnings.emplace_back("the draft model's weights and KV cache take no memory in the simulation");
    if (parts.asynchronous && (!method.ahead || !spec.padded_batches)) {
        warnings.push_back(fmt::format("with {} steps are scheduled synchronously, as vLLM does",
                                       method.ahead ? "disable_padded_drafter_batch" : "drafts of " + spec.method));
        parts.asynchronous = false;
    }
    // EAGLE and MTP need the hidden states of the last cached block (vllm.md 2.4).
    parts.drops_last_hit = method.drafter == Drafter::layer && parts.prefix_caching && !parts.hands_over;
    parts.draft_tokens = spec.tokens;
    parts.lookahead_tokens = method.lookahead ? spec.tokens : 0;
    parts.acceptance_q32 =
        static_cast<std::uint32_t>(std::min(std::floor(acceptance * 4294967296.0), 4294967295.0));

    std::string wrong;
    const std::vector<Tick> pass =
        pass_times(method, spec, server, capacity, options, parts.cost.decode_step, wrong);
    if (!wrong.empty()) return wrong;
    const std::int64_t passes = method.drafter == Drafter::nothing ? 0
                                : method.drafter == Drafter::heads ? 1
                                                                   : spec.tokens;
    // Every row brings its token and its drafts through the model; attention reads its context once.
    KvCapacity wide = capacity;
    wide.limits.max_num_seqs = capacity.limits.max_num_seqs * (1 + spec.tokens);
    wide.limits.max_num_batched_tokens = parts.max_num_batched_tokens;
    StepTimeOptions scheduled = options;
    scheduled.asynchronous_scheduling = parts.asynchronous;
    const StepCostTable verify = step_cost_table(wide, scheduled);
    for (std::size_t rows = 1; rows < parts.cost.decode_step.size(); ++rows)
        parts.cost.decode_step[rows] =
            verify.decode_step[rows * static_cast<std::size_t>(1 + spec.tokens)] + passes * pass[rows];
    // Beside prefill the drafters' passes are those of one row, and what each further row adds.
    const std::size_t most = pass.size() - 1;
    const std::int64_t per_row =
        most > 1 ? (pass[most].count - pass[1].count) / static_cast<std::int64_t>(most - 1) : 0;
    for (std::size_t n = 1; n < parts.cost.mixed_step.size(); ++n)
        parts.cost.mixed_step[n] = verify.mixed_step[n] + passes * pass[1];
    parts.cost.per_sampled_row.count += passes * std::max<std::int64_t>(per_row, 0);
    return std::nullopt;
}

}  // namespace windtunnel
