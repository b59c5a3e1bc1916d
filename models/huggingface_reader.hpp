#pragma once
#include "models/llm_shape.hpp"
#include "models/problem.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

namespace windtunnel {

/// The keys of a Hugging Face config.json, under their several spellings; collects what is wrong.
class ConfigReader {
public:
    ConfigReader(const nlohmann::json& config, std::string file) : m_config(config), m_file(std::move(file)) {}

    [[nodiscard]] const nlohmann::json& config() const { return m_config; }
    [[nodiscard]] bool has(const char* key) const { return m_config.contains(key) && !m_config.at(key).is_null(); }

    /// A list stands for its first element: some families give one number for every layer.
    std::optional<int> optional_int(std::initializer_list<const char*> keys, int least = 0, int most = 1'000'000) {
        for (const char* key : keys) {
            if (!has(key)) continue;
            const nlohmann::json& whole = m_config.at(key);
            const nlohmann::json& value = whole.is_array() && !whole.empty() ? whole.front() : whole;
            if (!value.is_number_integer() || value.get<std::int64_t>() < least ||
                value.get<std::int64_t>() > most) {
                add(key, fmt::format("found {}, allowed: an integer from {} to {}", whole.dump(), least, most));
                return least;
            }
            return value.get<int>();
        }
        return std::nullopt;
    }
    int required_int(std::initializer_list<const char*> keys, int most = 1'000'000) {
        if (const auto value = optional_int(keys, 1, most)) return *value;
        add(*keys.begin(), "found nothing, allowed: an integer of at least 1");
        return 1;
    }
    /// Null where it is none.
    [[nodiscard]] const nlohmann::json* list(const char* key) const {
        return has(key) && m_config.at(key).is_array() ? &m_config.at(key) : nullptr;
    }
    [[nodiscard]] bool flag(const char* key, bool otherwise) const {
        return has(key) && m_config.at(key).is_boolean() ? m_config.at(key).get<bool>() : otherwise;
    }
    [[nodiscard]] std::string word(const char* key) const {
        return has(key) && m_config.at(key).is_string() ? m_config.at(key).get<std::string>() : std::string();
    }
    void add(const std::string& path, std::string message) {
        m_problems.push_back({{m_file, 0, 0}, path, std::move(message)});
    }
    Problems& problems() { return m_problems; }

private:
    const nlohmann::json& m_config;
    std::string m_file;
    Problems m_problems;
};

/// What kinds of layers a model has: attention that sees all or a window, recurrent layers, experts and where they are.
void read_layer_kinds(ConfigReader& reader, const std::string& family, LlmShape& shape);

/// What its weights are stored in: the quantisation section's type, else torch_dtype; and whether attention is left out
/// of the quantisation.
void read_stored_type(ConfigReader& reader, LlmShape& shape);

/// Weights of the towers that turn pictures and sound into embeddings; `whole` is the outermost object.
[[nodiscard]] double tower_parameters(const nlohmann::json& whole, int hidden_size);

/// What a configuration that another one contains leaves out because its class has it as default (transformers
/// 4.57, 2025); an empty object for other families.
[[nodiscard]] nlohmann::json class_defaults(const std::string& family);

}  // namespace windtunnel
