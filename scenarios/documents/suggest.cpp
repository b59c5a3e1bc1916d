#include "scenarios/documents/suggest.hpp"

#include <algorithm>
#include <cctype>

namespace windtunnel {
namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

/// Optimal string alignment distance.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i)
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[a.size()][b.size()];
}

}  // namespace

std::string nearest_name(std::string_view found, const std::vector<std::string>& allowed) {
    constexpr std::size_t longest = 100;  // of what a person mistypes; longer text would only cost time
    if (found.empty() || found.size() > longest) return "";
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(1, found.size() / 3) + 1;
    for (const std::string& name : allowed) {
        const std::size_t d = distance(found, name);
        if (d < best_distance) {
            best = name;
            best_distance = d;
        }
    }
    if (!best.empty()) return best;
    // maxReplicas for maxReplicaCount: far by letters, but most of the word is its beginning.
    std::size_t longest_prefix = std::max<std::size_t>(4, (found.size() * 3 + 3) / 4) - 1;
    for (const std::string& name : allowed) {
        std::size_t same = 0;
        while (same < found.size() && same < name.size() && lower(found[same]) == lower(name[same])) ++same;
        if (same > longest_prefix) {
            best = name;
            longest_prefix = same;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view found, const std::vector<std::string>& allowed) {
    const std::string name = nearest_name(found, allowed);
    return name.empty() ? "" : "; did you mean " + name + "?";
}

std::string join(const std::vector<std::string>& parts, std::string_view between) {
    std::string out;
    for (const std::string& part : parts) {
        if (!out.empty()) out += between;
        out += part;
    }
    return out;
}

}  // namespace windtunnel
