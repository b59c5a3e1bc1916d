#pragma once
#include "models/number_type.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// Mixture of experts: every layer but `dense_layers` of them routes each token to
/// `experts_per_token` of `experts`.
struct MixtureOfExperts {
    int experts = 0;
    int experts_per_token = 0;
    int expert_intermediate_size = 0;
    int shared_experts = 0;  ///< used by every token
    int dense_layers = 0;
    int shared_intermediate_size = 0;  ///< of the shared ones together; 0 = expert_intermediate_size each

    [[nodiscard]] double shared_width() const {
        return shared_intermediate_size > 0 ? shared_intermediate_size
                                            : static_cast<double>(shared_experts) * expert_intermediate_size;
    }
};

/// Layers that keep a state of fixed size for each sequence in place of KV: Mamba, gated delta rules, lightning
/// attention, short convolutions. Sizes are of one layer, whole.
struct RecurrentLayers {
    int layers = 0;
    double parameters = 0;
    double convolution_elements = 0;  ///< of the state: the last inputs of its convolution, in the model's type
    double state_elements = 0;        ///< ... and its matrix
    int state_element_bytes = 2;
};

/// Sparse attention (DeepSeek-V3.2, 2025): an indexer with keys of its own picks what a token attends to.
struct SparseIndexer {
    int heads = 0;
    int head_dim = 0;
    int chosen_tokens = 0;
};

/// Latent attention (DeepSeek-V2, 2024): the cache holds one row of kv_lora_rank + rope_head_dim per token.
struct LatentAttention {
    int kv_lora_rank = 0;
    int q_lora_rank = 0;  ///< 0 = queries are not compressed
    int nope_head_dim = 0;
    int rope_head_dim = 0;
    int value_head_dim = 0;
};

/// `layers` of the model look back at most `tokens`; the others see everything.
struct WindowedLayers {
    int tokens = 0;
    int layers = 0;
};

/// A logged activation peak, which replaces the closed form for the same parallelism and batch limit.
struct MeasuredActivation {
    double gib = 0;
    int tensor_parallel = 1;
    int max_num_batched_tokens = 0;
};

/// What a transformer's config.json says, in this project's words. Sizes in elements, counts per model.
struct LlmShape {
    std::string id;  ///< Hugging Face id, or the path that it was read from
    int layers = 0;
    int hidden_size = 0;
    int attention_heads = 0;
    int kv_heads = 0;
    int head_dim = 0;
    int intermediate_size = 0;  ///< of dense layers
    int vocabulary_size = 0;
    std::int64_t parameters = 0;         ///< total, embeddings and vision towers included
    std::int64_t active_parameters = 0;  ///< per token; = parameters for dense models
    int max_positions = 0;               ///< the longest context it was made for
    NumberType stored_type = NumberType::bf16;
    bool tied_embeddings = false;  ///< the LM head is the embedding table
    bool gated_mlp = true;         ///< three matrices per MLP, else two
    bool encoder_only = false;     ///< no KV cache at all
    bool multimodal = false;
    std::optional<MixtureOfExperts> moe;
    std::optional<LatentAttention> mla;
    std::optional<SparseIndexer> indexer;  ///< beside latent attention
    std::optional<RecurrentLayers> recurrent;
    int kv_layers = 0;   ///< with attention and a KV cache; 0 = all
    int mlp_layers = 0;  ///< with an MLP or experts; 0 = all
    bool gated_attention = false;      ///< queries come with a gate of their width
    bool sixteen_bit_attention = false;  ///< its projections are left out of the quantisation
    bool declares_fp8_cache = false;     ///< the checkpoint asks for an fp8 KV cache
    double int4_bytes = 0;         ///< of a 4-bit weight with its group's scale, where the groups are unusual
    bool int4_everywhere = false;  ///< latent attention: 4-bit weights are not those of the experts alone
    std::optional<WindowedLayers> sliding_window;
    std::optional<WindowedLayers> chunked_attention;  ///< chunked-local layers (Llama 4)
    std::vector<MeasuredActivation> measured_activations;
    std::string source;
};

/// Weights of one layer of one of `tensor_parallel` ranks, in parameters.
struct LayerParameters {
    double attention = 0;   ///< KV projections count replicated heads
    double mlp = 0;         ///< of a dense layer
    double experts = 0;     ///< all routed experts of an MoE layer
    double one_expert = 0;  ///< of them, the share of one expert
    double shared = 0;      ///< shared experts
    double router = 0;      ///< replicated on every rank, 16 bits
};
[[nodiscard]] LayerParameters layer_parameters(const LlmShape& shape, int tensor_parallel);

/// Rows of the embedding table of one rank times its width: the vocabulary is padded to a multiple of 64
/// and split over ranks (vLLM's vocabulary-parallel embedding, 0.2 to 0.24).
[[nodiscard]] double embedding_parameters(const LlmShape& shape, int tensor_parallel);

/// Everything that the layers and tables do not count: norms, biases, vision towers. Never negative.
[[nodiscard]] double other_parameters(const LlmShape& shape);

/// Whether a checkpoint of this type quantises its experts only: mxfp4 where there are any (gpt-oss, 2025-08), int4 with
/// latent attention (Kimi K2, 2025) unless its config.json says otherwise.
[[nodiscard]] bool quantises_experts_only(const LlmShape& shape, NumberType type);

/// Layers that route to experts.
[[nodiscard]] int expert_layers(const LlmShape& shape);
[[nodiscard]] int attention_layers(const LlmShape& shape);
/// Layers with an MLP that no token is routed in.
[[nodiscard]] int dense_layers(const LlmShape& shape);
/// Weights of all layers, without norms and biases.
[[nodiscard]] double layers_parameters(const LlmShape& shape);
/// Bytes that one of `tensor_parallel` ranks keeps for a sequence in each recurrent layer.
[[nodiscard]] std::int64_t recurrent_state_bytes(const LlmShape& shape, int tensor_parallel);

}  // namespace windtunnel
