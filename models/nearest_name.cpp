#include "models/nearest_name.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace windtunnel {

int edit_distance(std::string_view a, std::string_view b) {
    std::vector<int> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 1; i <= a.size(); ++i) {
        int diagonal = row[0];
        row[0] = static_cast<int>(i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const int replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

std::string folded_name(std::string_view name) {
    std::string out(name);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        if (c == '_' || c == ' ') c = '-';
    }
    return out;
}

std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& known,
                                       std::size_t count) {
    const std::string wanted = folded_name(name);
    std::vector<std::pair<int, std::size_t>> ranked;
    for (std::size_t i = 0; i < known.size(); ++i) {
        const std::string candidate = folded_name(known[i]);
        int distance = 2 * edit_distance(wanted, candidate);
        const bool nested =
            candidate.find(wanted) != std::string::npos || wanted.find(candidate) != std::string::npos;
        if (nested && !wanted.empty()) distance /= 2;
        ranked.emplace_back(distance, i);
    }
    std::sort(ranked.begin(), ranked.end());
    std::vector<std::string> out;
    for (std::size_t i = 0; i < ranked.size() && i < count; ++i) out.push_back(known[ranked[i].second]);
    return out;
}

std::string spoken_list(const std::vector<std::string>& names) {
    if (names.empty()) return "(nothing)";
    std::string out;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0) out += i + 1 == names.size() ? " or " : ", ";
        out += "'" + names[i] + "'";
    }
    return out;
}

}  // namespace windtunnel
