#pragma once
#include "models/llm_shape.hpp"
#include "models/problem.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

struct ResolvedLlm {
    LlmShape shape;    ///< stored_type is what the checkpoint of the name that was asked for is stored in
    std::string note;  ///< how the name was read when it is not one of the catalogue's; else empty
};

/// Ids of the catalogue (models/data/llms.json), aliases included, in the order of the file.
[[nodiscard]] std::vector<std::string> all_llm_ids();

/// The model of that name.
///
/// Accepts a Hugging Face id (organisation optional, case ignored), an id with the suffix of a quantised
/// copy ("-FP8", "-AWQ", "-GPTQ-Int4", "-NVFP4", ...), which sets stored_type, an id as tutorials misspell
/// it ("meta-llama/Llama-3-8B-Instruct"; said in the note), or the path of a config.json (a name that ends
/// in ".json", or a folder that holds a config.json). An unknown name is a problem that says the nearest
/// ids and how to describe a model that the catalogue lacks.
[[nodiscard]] Result<ResolvedLlm> get_llm(std::string_view name);

/// Reads the text of a Hugging Face config.json; `file` is for messages and becomes the id.
///
/// Understands the keys that llama, mistral, mixtral, qwen2, qwen3, their MoE variants, gemma 1 to 3,
/// phi3, deepseek v2/v3, gpt_oss, opt, gpt2, falcon and their multimodal wrappers (text_config) use. The
/// parameter count is computed from the shape, so vision towers are not counted.
[[nodiscard]] Result<LlmShape> read_huggingface_config(std::string_view text, const std::string& file);

}  // namespace windtunnel
