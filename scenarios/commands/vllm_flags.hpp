#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// What a flag of `vllm serve` means to a simulation.
enum class FlagRole : std::uint8_t {
    used,         ///< read into the ModelServer
    harmless,     ///< cannot change the result: a note
    stood_in,     ///< what is simulated instead is near and named: a warning
    unsupported,  ///< would change the result and is not simulated: an error
};

/// How many values follow the flag.
enum class FlagValues : std::uint8_t {
    none,      ///< a switch, also as --no-NAME
    one,
    optional,  ///< a switch in some versions, takes a value in others
    many,      ///< one or more, up to the next flag
};

struct VllmFlag {
    const char* name;  ///< without dashes, words joined by '-'
    FlagRole role;
    FlagValues values;
    const char* why = "";        ///< of unsupported: what it is that is not simulated; of stood_in: what is instead
    const char* neutral = "";    ///< of both: a value with which it changes nothing
};

/// The row of a flag by its long name (`tensor-parallel-size`), or nullptr.
[[nodiscard]] const VllmFlag* find_vllm_flag(std::string_view name);

/// All names, for suggestions.
[[nodiscard]] std::vector<std::string> vllm_flag_names();

/// One flag as it was given.
struct GivenFlag {
    const VllmFlag* flag = nullptr;    ///< nullptr: unknown
    std::string name;                  ///< as given, without dashes
    std::vector<std::string> values;
    bool negated = false;              ///< --no-NAME
    std::size_t word = 0;              ///< index of the word that it stood in
};

/// Takes the words after `vllm serve` (or the module's name) apart, the way vLLM's parser does: both
/// `--flag value` and `--flag=value`, '_' for '-', short forms (-tp, -pp, -dp, -q, -O). Words that belong to
/// no flag come back in `positional`.
[[nodiscard]] std::vector<GivenFlag> split_flags(const std::vector<std::string>& words, std::vector<std::string>& positional);

}  // namespace windtunnel
