#include "scenarios/traces/workload_presets.hpp"

#include <cmath>
#include <limits>

namespace windtunnel {
namespace {

// Quantiles of token counts (the smallest count that at least the probability's share of requests does not
// exceed), computed from the named public files. Between them lengths are linear; the means agree
// with the files' within 0.5%.
constexpr double probabilities[] = {0,    0.001, 0.0025, 0.005,  0.01,  0.02,   0.03,  0.04,   0.05,   0.075,
                                    0.1,  0.125, 0.15,   0.175,  0.2,   0.225,  0.25,  0.275,  0.3,    0.325,
                                    0.35, 0.375, 0.4,    0.425,  0.45,  0.475,  0.5,   0.525,  0.55,   0.575,
                                    0.6,  0.625, 0.65,   0.675,  0.7,   0.725,  0.75,  0.775,  0.8,    0.825,
                                    0.85, 0.875, 0.9,    0.91,   0.92,  0.93,   0.94,  0.95,   0.96,   0.97,
                                    0.98, 0.985, 0.99,   0.9925, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 1};

// Azure Public Dataset, AzureLLMInferenceTrace_conv.csv (Patel et al., "Splitwise", ISCA 2024), CC-BY-4.0:
// 19,366 requests of 2023-11-16; means 1154.7 and 211.1 tokens.
constexpr int azure_conv_prompt[] = {  // tokens
    2,    8,    10,   16,   29,   91,   161,  181,  181,  200,  207,  235,  372,  379,  387,
    393,  396,  400,  403,  407,  414,  428,  703,  922,  984,  1005, 1020, 1034, 1045, 1058,
    1071, 1083, 1097, 1112, 1130, 1153, 1189, 1277, 1315, 1434, 1877, 2310, 2735, 3292, 4073,
    4076, 4079, 4083, 4086, 4090, 4098, 4110, 4142, 4179, 4831, 5416, 6212, 6781, 7930, 14050};
constexpr int azure_conv_output[] = {  // tokens
    7,   12,  12,  14,  16,  24,  32,  38,  41,  48,  54,  60,  67,  72,  77,  82,  85,  88,   91,   93,
    96,  99,  103, 108, 113, 120, 129, 139, 151, 162, 177, 195, 217, 373, 384, 391, 395, 396,  400,  406,
    411, 416, 424, 428, 429, 433, 442, 451, 468, 509, 540, 571, 601, 617, 644, 720, 954, 1000, 1000, 1000};

// Mooncake conversation_trace.jsonl (Qin et al., "Mooncake", FAST 2025), Apache-2.0: 12,031 requests; means
// 12035.1 and 342.6 tokens. Output was capped at 2,000 tokens.
constexpr int mooncake_prompt[] = {  // tokens
    891,   892,   892,   893,   894,   896,   897,    899,    901,    913,    964,    1090,
    1261,  1442,  1662,  1923,  2306,  2745,  3263,   3810,   4250,   4596,   4993,   5378,
    5870,  6348,  6909,  7509,  8187,  8847,  9570,   10328,  11239,  12147,  13196,  14250,
    15368, 16515, 17869, 19403, 21467, 24396, 27367,  28672,  30466,  32406,  35011,  39552,
    44629, 52219, 66484, 73954, 85401, 94410, 100886, 117917, 121301, 122891, 124847, 126195};
constexpr int mooncake_output[] = {  // tokens
    1,   1,   1,   1,   3,   3,   5,   8,    10,   17,   24,   32,   46,   72,   100,
    127, 156, 189, 213, 235, 256, 275, 291,  308,  322,  336,  350,  363,  375,  388,
    399, 410, 423, 435, 447, 459, 472, 487,  504,  522,  543,  566,  597,  612,  628,
    648, 670, 698, 738, 802, 893, 968, 1120, 1275, 1570, 1998, 2000, 2000, 2000, 2000};

// ServeGen, reasoning service deepseek-r1 (Xiang et al., "ServeGen", 2025; github.com/alibaba/ServeGen),
// Apache-2.0: the length distributions of 73 clients weighted by their rates over 24 h; means 1268.3 and
// 1527.4 tokens.
constexpr int servegen_prompt[] = {  // tokens
    4,    5,    6,    7,    9,     10,    11,    12,    13,    15,    18,    22,    26,    27,    29,
    34,   41,   49,   57,   65,    76,    91,    113,   147,   172,   204,   208,   212,   222,   260,
    266,  279,  349,  377,  406,   431,   482,   580,   748,   911,   1165,  1305,  2092,  2607,  3316,
    3951, 4987, 6714, 9275, 12390, 16479, 19398, 23423, 26211, 28228, 31079, 33783, 35909, 42238, 57284};
constexpr int servegen_output[] = {  // tokens
    9,    85,   101,  117,  141,  170,  192,   209,   225,   258,   287,   315,   341,   365,   387,
    407,  427,  448,  470,  493,  519,  548,   582,   621,   668,   725,   792,   865,   944,   1024,
    1104, 1178, 1244, 1307, 1367, 1430, 1499,  1572,  1680,  1853,  2196,  2751,  3432,  3758,  4102,
    4537, 5057, 5701, 6524, 7617, 9338, 10684, 12607, 13971, 15737, 18282, 20833, 22539, 26370, 32768};

// Vidur's arxiv_summarization_stats_llama2_tokenizer_filtered_v2.csv (Agrawal et al., "Vidur", MLSys 2024),
// MIT: 28,257 pairs of lengths without arrivals; means 2588.1 and 291.4 tokens.
constexpr int arxiv_prompt[] = {  // tokens
    1,    1,    1,    31,   73,   229,  429,  608,  747,  1019, 1242, 1418, 1564, 1687, 1802,
    1896, 1986, 2067, 2150, 2229, 2308, 2379, 2453, 2529, 2596, 2663, 2730, 2795, 2861, 2930,
    2996, 3063, 3127, 3186, 3249, 3311, 3370, 3429, 3490, 3541, 3597, 3649, 3702, 3724, 3747,
    3770, 3792, 3813, 3837, 3863, 3892, 3909, 3934, 3947, 3963, 3987, 4012, 4024, 4046, 4054};
constexpr int arxiv_output[] = {  // tokens
    5,   18,  25,  29,   36,   44,   50,   56,   60,   70,   78,   86,   92,   98,   104,
    110, 115, 120, 125,  130,  135,  140,  145,  150,  156,  162,  167,  173,  179,  186,
    192, 199, 206, 213,  222,  232,  242,  254,  268,  285,  304,  333,  372,  392,  420,
    463, 536, 737, 1324, 2206, 2775, 2991, 3273, 3409, 3583, 3740, 3845, 3935, 4014, 4056};

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

constexpr WorkloadPreset presets[] = {
    {"arxiv-summarization", "Vidur, arXiv summarization lengths with the Llama 2 tokenizer", 0,
     ArrivalProcess::poisson, 1, -0.463, arxiv_prompt, arxiv_output},
    {"azure-conv-2023", "Azure LLM inference trace 2023, conversation", 5.530, ArrivalProcess::gamma, 1.094,
     -0.112, azure_conv_prompt, azure_conv_output},
    // Time stamps are quantised to 3 s, so that their variation says nothing about single arrivals.
    {"mooncake-conversation", "Mooncake FAST'25, conversation", 3.401, ArrivalProcess::poisson, 1, 0.072,
     mooncake_prompt, mooncake_output},
    // The CV within a client is 2.28 (weighted by rate); that of all clients together, in 10-minute windows
    // of a sampled day, is what stands here.
    {"servegen-reason", "ServeGen 2025, reasoning service deepseek-r1", 16.015, ArrivalProcess::gamma, 1.182,
     unknown, servegen_prompt, servegen_output},
};

// ServeGen, deepseek-r1: requests per hour of all clients, hours 0 to 23 of the collected day, over their
// mean. The busiest hour carries 4.9 times the requests of the quietest.
constexpr double daily[] = {1.206, 1.389, 2.034, 1.788, 1.064, 0.908, 0.749, 0.577,
                            0.596, 0.664, 0.810, 0.830, 0.447, 0.545, 0.684, 0.704,
                            0.878, 0.553, 0.749, 0.587, 1.240, 1.621, 2.194, 1.181};

// ServeGen, language service m-large: requests per hour of all 162 clients over two weeks, averaged over the
// two, over their mean.
constexpr double weekly[] = {
    1.023, 1.276, 1.252, 1.133, 1.129, 1.213, 1.36,  1.137, 1.018, 1.199, 1.455, 1.493, 0.969, 1.056,
    1.32,  1.363, 1.547, 1.702, 1.495, 1.66,  1.471, 1.298, 1.677, 1.679, 1.498, 1.598, 1.587, 1.624,
    1.275, 1.127, 0.637, 0.592, 0.691, 0.834, 1.041, 1.287, 1.445, 1.403, 1.309, 1.333, 1.253, 0.937,
    0.818, 0.887, 1.0,   1.019, 0.905, 0.854, 0.809, 0.798, 0.795, 0.834, 0.848, 0.877, 0.83,  0.794,
    0.801, 0.954, 1.015, 1.017, 0.905, 0.883, 0.99,  1.056, 1.111, 1.031, 1.366, 1.389, 1.075, 1.236,
    1.317, 1.407, 1.118, 0.667, 0.652, 0.596, 0.584, 0.57,  0.555, 0.578, 0.643, 0.742, 0.824, 0.951,
    0.807, 0.821, 0.917, 0.861, 0.964, 0.959, 0.833, 0.841, 0.919, 0.846, 0.772, 0.907, 0.936, 0.918,
    1.027, 0.722, 0.775, 0.736, 0.878, 0.875, 0.837, 0.86,  0.992, 0.911, 0.828, 0.834, 0.852, 0.829,
    0.919, 0.878, 0.875, 0.843, 1.074, 0.778, 0.645, 0.609, 0.615, 0.647, 0.647, 0.624, 0.578, 0.53,
    0.591, 0.566, 0.586, 0.739, 0.812, 0.772, 0.669, 0.656, 0.683, 0.672, 0.665, 0.678, 0.693, 1.016,
    1.015, 1.05,  1.148, 0.896, 0.962, 1.112, 0.938, 1.016, 1.166, 1.127, 1.123, 1.179, 0.94,  0.747,
    1.181, 1.311, 1.177, 1.217, 1.256, 1.212, 1.307, 1.363, 1.203, 1.363, 1.378, 1.292, 1.253, 1.248};

}  // namespace

std::span<const WorkloadPreset> workload_presets() { return presets; }

const WorkloadPreset* find_preset(std::string_view name) {
    for (const WorkloadPreset& preset : presets)
        if (name == preset.name) return &preset;
    return nullptr;
}

std::string preset_names() {
    std::string out;
    for (const WorkloadPreset& preset : presets) out += (out.empty() ? "" : ", ") + std::string(preset.name);
    return out;
}

std::span<const double> preset_probabilities() { return probabilities; }

std::vector<QuantilePoint> preset_points(std::span<const int> tokens) {
    std::vector<QuantilePoint> points;
    for (std::size_t i = 0; i < tokens.size(); ++i)
        points.push_back({probabilities[i], static_cast<double>(tokens[i])});
    return points;
}

std::span<const double> daily_profile() { return daily; }
std::span<const double> weekly_profile() { return weekly; }

}  // namespace windtunnel
