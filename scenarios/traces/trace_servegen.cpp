#include "models/quantile_table.hpp"
#include "models/random.hpp"
#include "scenarios/traces/renewal.hpp"
#include "scenarios/traces/trace_builder.hpp"
#include "scenarios/traces/trace_formats.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

namespace windtunnel {
namespace {

/// Token counts with their cumulative probabilities.
struct LengthTable {
    std::vector<std::uint32_t> tokens;
    std::vector<double> cumulative;

    [[nodiscard]] std::uint32_t draw(double uniform) const {
        const auto at = std::lower_bound(cumulative.begin(), cumulative.end(), uniform * cumulative.back());
        return tokens[std::min(static_cast<std::size_t>(at - cumulative.begin()), tokens.size() - 1)];
    }
};

struct LengthWindow {
    double start_s = 0;
    LengthTable prompt, output;
};

struct RateWindow {
    double rate_rps = 0, shape = 1;
    GapFamily family = GapFamily::exponential;
};

struct Client {
    std::string name;
    std::vector<RateWindow> windows;    ///< back to back from t = 0
    std::vector<LengthWindow> lengths;  ///< ascending; empty = no data
    double expected_requests = 0;
};

/// ServeGen's client models (Xiang et al., "ServeGen: Workload Characterization and Generation of Large
/// Language Model Serving in Production", 2025; github.com/alibaba/ServeGen): each client has, per window, a
/// rate and a family of gaps, and per longer window the distributions of its lengths.
class ServegenReader {
public:
    ServegenReader(TextInput& text, const std::vector<std::string>& columns, const std::string& name,
                   const std::filesystem::path& file, const TraceReadOptions& options)
        : m_text(text), m_names(columns), m_name(name), m_file(file), m_builder(name, options, false) {}

    Result<Trace> read() {
        if (!read_rates() || !check_expected() || !read_lengths()) return m_builder.problem();
        fill_gaps();
        if (!sample()) return m_builder.problem();
        m_builder.trace().format = "servegen";
        m_builder.set_span(from_seconds(m_window_s * static_cast<double>(m_windows)));
        m_builder.note(
            fmt::format("sampled from {} client models with seed {}; prompt and output lengths are drawn "
                        "independently",
                        m_clients.size(), m_builder.options().seed));
        return m_builder.finish();
    }

private:
    [[nodiscard]] bool number(std::string_view text, const char* column, double& out) {
        const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), out);
        if (status == std::errc{} && stop == text.data() + text.size() && std::isfinite(out) && out >= 0)
            return true;
        return m_builder.fail(m_text.line(), column, shown(text), "a number of at least 0");
    }

    [[nodiscard]] bool read_rates() {
        constexpr const char* wanted[] = {"client", "starts", "raterps", "pattern", "shape"};
        std::size_t at[5]{};
        for (std::size_t i = 0; i < 5; ++i) {
            const auto found = std::find(m_names.begin(), m_names.end(), wanted[i]);
            if (found == m_names.end())
                return m_builder.fail(m_text.line(), "header", "no such column",
                                      "client,start_s,rate_rps,cv,pattern,shape,scale");
            at[i] = static_cast<std::size_t>(found - m_names.begin());
        }
        std::string_view line;
        std::vector<std::string> fields;
        std::map<std::string, std::size_t> index;
        std::string error;
        double second_start = 0;
        while (m_text.next_line(line)) {
            if (line.empty()) continue;
            m_builder.next_row();
            if (!split_csv_record(m_text, line, fields, error))
                return m_builder.fail(m_text.line(), "", error, "RFC 4180 quoting");
            if (fields.size() != m_names.size())
                return m_builder.fail(m_text.line(), "", fmt::format("{} fields", fields.size()),
                                      fmt::format("the header's {}", m_names.size()));
            double start = 0;
            RateWindow window;
            if (!number(fields[at[1]], "start_s", start) ||
                !number(fields[at[2]], "rate_rps", window.rate_rps))
                return false;
            const std::string& pattern = fields[at[3]];
            if (window.rate_rps > 0) {
                if (!number(fields[at[4]], "shape", window.shape)) return false;
                if (pattern == "Gamma")
                    window.family = GapFamily::gamma;
                else if (pattern == "Weibull")
                    window.family = GapFamily::weibull;
                else if (pattern != "Exponential" && pattern != "Poisson")
                    return m_builder.fail(m_text.line(), "pattern", shown(pattern),
                                          "Gamma, Weibull or Exponential (empty only where the rate is 0)");
                if (!(window.shape >= 1e-3 && window.shape <= 1e4) && window.family != GapFamily::exponential)
                    return m_builder.fail(m_text.line(), "shape", fields[at[4]],
                                          "a number from 0.001 to 10000");
            }
            const auto [found, inserted] = index.try_emplace(fields[at[0]], m_clients.size());
            if (inserted) m_clients.push_back({fields[at[0]], {}, {}, 0});
            Client& client = m_clients[found->second];
            if (client.windows.size() == 1 && m_window_s == 0) m_window_s = second_start = start;
            const double expected = m_window_s * static_cast<double>(client.windows.size());
            if (start != (client.windows.empty() ? 0.0 : expected) ||
                (client.windows.size() == 1 && start <= 0))
                return m_builder.fail(m_text.line(), "start_s", fields[at[1]],
                                      client.windows.empty()
                                          ? std::string("0 in a client's first row")
                                          : fmt::format("{} (windows follow each other)", expected));
            client.windows.push_back(window);
            m_windows = std::max(m_windows, client.windows.size());
        }
        if (m_clients.empty()) return true;
        if (m_window_s == 0) m_window_s = 600;  // one window: ServeGen's width
        for (Client& client : m_clients) {
            client.windows.resize(m_windows);
            for (const RateWindow& window : client.windows)
                client.expected_requests += window.rate_rps * m_window_s;
        }
        return true;
    }

    [[nodiscard]] bool check_expected() {
        double expected = 0;
        for (const Client& client : m_clients) expected += client.expected_requests;
        if (expected > 4e9 ||
            m_window_s * static_cast<double>(m_windows) >= static_cast<double>(longest_span_s))
            return m_builder.fail(m_text.line(), "rate_rps", fmt::format("{:.0f} requests in all", expected),
                                  "at most 4000000000, within 1.46 years");
        return true;
    }

    /// "{50: 0.04, 51: 0.08}", a Python dict inside a JSON string.
    [[nodiscard]] bool parse_dict(const std::string& text, LengthTable& out) {
        const char* p = text.data();
        const char* const end = p + text.size();
        const auto skip = [&](std::string_view characters) {
            while (p != end && characters.find(*p) != std::string_view::npos) ++p;
        };
        double sum = 0;
        skip(" {");
        while (p != end && *p != '}') {
            double tokens = 0, probability = 0;
            const auto key = std::from_chars(p, end, tokens);
            p = key.ptr;
            skip(" :");
            const auto value = std::from_chars(p, end, probability);
            p = value.ptr;
            if (key.ec != std::errc{} || value.ec != std::errc{} ||
                !(tokens >= 0 && tokens <= static_cast<double>(most_tokens)) ||
                !(probability >= 0 && probability <= 1))
                return false;
            skip(" ,");
            sum += probability;
            if (tokens < 1) m_zero_lengths = true;
            out.tokens.push_back(std::max(1u, static_cast<std::uint32_t>(tokens)));
            out.cumulative.push_back(sum);
        }
        if (sum <= 0) out = {};
        return true;
    }

    [[nodiscard]] bool read_lengths() {
        if (m_file.empty())
            return m_builder.fail(
                0, "", "a stream",
                "a ServeGen client file by its path: its lengths lie in a folder beside it");
        std::string stem = m_file.filename().string();
        const std::size_t cut = stem.find("_clients.csv");
        stem = cut == std::string::npos ? m_file.stem().string() : stem.substr(0, cut);
        const std::filesystem::path folder = m_file.parent_path() / (stem + "_dataset");
        std::error_code error;
        if (!std::filesystem::is_directory(folder, error))
            return m_builder.fail(0, "", "no folder " + folder.string(),
                                  "a folder with the clients' length distributions (chunk-N-dataset.json)");
        for (Client& client : m_clients) {
            const std::filesystem::path file = folder / ("chunk-" + client.name + "-dataset.json");
            std::ifstream in(file, std::ios::binary);
            if (!in) continue;
            const nlohmann::json document = nlohmann::json::parse(in, nullptr, false);
            const auto bad = [&](const std::string& found) {
                m_builder.fail(0, "", file.string() + ": " + found,
                               "window start -> {\"input_tokens\": \"{tokens: probability, ...}\", "
                               "\"output_tokens\": ...}");
                return false;
            };
            if (!document.is_object()) return bad("no JSON object");
            for (const auto& item : document.items()) {
                const std::string& key = item.key();
                const nlohmann::json& value = item.value();
                LengthWindow window;
                const auto [stop, status] =
                    std::from_chars(key.data(), key.data() + key.size(), window.start_s);
                if (status != std::errc{} || stop != key.data() + key.size())
                    return bad("window " + shown(key));
                const auto text = [&](const char* field) {
                    return value.is_object() && value.contains(field) && value[field].is_string()
                               ? value[field].get<std::string>()
                               : std::string("?");
                };
                if (!parse_dict(text("input_tokens"), window.prompt) ||
                    !parse_dict(text("output_tokens"), window.output))
                    return bad("window " + key + " without such dicts");
                if (!window.prompt.tokens.empty() && !window.output.tokens.empty())
                    client.lengths.push_back(std::move(window));
            }
            std::sort(client.lengths.begin(), client.lengths.end(),
                      [](const auto& a, const auto& b) { return a.start_s < b.start_s; });
        }
        return true;
    }

    /// Windows in which every client is silent are gaps in the collection, not silence of the clients: they
    /// repeat the last window before them (the first after them at the start), so that the clock keeps its
    /// hour.
    void fill_gaps() {
        std::vector<bool> collected(m_windows, false);
        for (const Client& client : m_clients)
            for (std::size_t w = 0; w < m_windows; ++w)
                if (client.windows[w].rate_rps > 0) collected[w] = true;
        const auto first =
            static_cast<std::size_t>(std::find(collected.begin(), collected.end(), true) - collected.begin());
        if (first == m_windows) return;
        std::size_t filled = 0, source = first;
        for (std::size_t w = 0; w < m_windows; ++w) {
            if (collected[w]) {
                source = w;
                continue;
            }
            ++filled;
            for (Client& client : m_clients) client.windows[w] = client.windows[source];
        }
        if (filled > 0) {
            m_builder.note(
                fmt::format("{} windows of {} s in which no client has data are gaps in the collection, not "
                            "silence: each repeats the window before it",
                            filled, m_window_s));
        }
    }

    [[nodiscard]] bool sample() {
        struct Row {
            Tick at;
            std::uint32_t client, prompt, output;
        };
        std::vector<Row> rows;
        std::vector<double> shares;  // cumulative expected requests of clients with lengths
        double total = 0;
        for (const Client& client : m_clients)
            shares.push_back(total += client.lengths.empty() ? 0 : client.expected_requests);
        if (total <= 0) return true;  // no rows: finish() says so
        std::uint64_t borrowed = 0;
        RenewalTables tables;
        for (std::uint32_t c = 0; c < m_clients.size(); ++c) {
            const Client& client = m_clients[c];
            const std::uint64_t seed = m_builder.options().seed;
            RandomStream gaps(seed, 0, StreamPurpose::arrivals, c),
                prompts(seed, 0, StreamPurpose::prompt_length, c),
                outputs(seed, 0, StreamPurpose::output_length, c),
                choice(seed, 0, StreamPurpose::client_choice, c);
            // Operational time, in requests: gaps have mean 1 in it, and a window lasts rate x width.
            double left = -1;  // until the next arrival; below 0 = not begun
            for (std::size_t w = 0; w < m_windows; ++w) {
                const RateWindow& window = client.windows[w];
                const double length = window.rate_rps * m_window_s;
                if (length <= 0) continue;
                const UnitGaps& unit = tables.get(window.family, window.shape);
                double at = left < 0 ? unit.first(gaps) : left;
                for (; at < length; at += unit.next(gaps)) {
                    const double time_s = (static_cast<double>(w) + at / length) * m_window_s;
                    const Client* lengths = &client;
                    if (client.lengths.empty()) {
                        ++borrowed;
                        const auto other =
                            std::lower_bound(shares.begin(), shares.end(), choice.uniform_open() * total);
                        lengths = &m_clients[static_cast<std::size_t>(other - shares.begin())];
                    }
                    const LengthWindow& from = window_at(*lengths, time_s);
                    rows.push_back({from_seconds(time_s), c, from.prompt.draw(prompts.uniform_open()),
                                    from.output.draw(outputs.uniform_open())});
                }
                left = at - length;
            }
        }
        std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.at < b.at; });
        m_builder.trace().requests.reserve(rows.size());
        for (const Row& row : rows) {
            Request request;
            request.prompt_tokens = row.prompt;
            request.output_tokens = row.output;
            if (!m_builder.tenant("client-" + m_clients[row.client].name, 0, request.tenant)) return false;
            if (!m_builder.add({row.at.count / ticks_per_second, row.at.count % ticks_per_second}, request,
                               0))
                return false;
        }
        if (borrowed > 0)
            m_builder.note(
                fmt::format("{} requests are of clients without length data; each takes the lengths of "
                            "another client, chosen by its share of requests",
                            borrowed));
        if (m_zero_lengths) m_builder.note("lengths of 0 tokens in the distributions are taken as 1");
        return true;
    }

    static const LengthWindow& window_at(const Client& client, double time_s) {
        const auto after = std::upper_bound(client.lengths.begin(), client.lengths.end(), time_s,
                                            [](double t, const LengthWindow& w) { return t < w.start_s; });
        return after == client.lengths.begin() ? *after : *(after - 1);
    }

    TextInput& m_text;
    std::vector<std::string> m_names;
    std::string m_name;
    std::filesystem::path m_file;
    TraceBuilder m_builder;
    std::vector<Client> m_clients;
    double m_window_s = 0;
    std::size_t m_windows = 0;
    bool m_zero_lengths = false;
};

}  // namespace

Result<Trace> read_servegen_trace(TextInput& text, const std::vector<std::string>& columns,
                                  const std::string& name, const std::filesystem::path& file,
                                  const TraceReadOptions& options) {
    return ServegenReader(text, columns, name, file, options).read();
}

}  // namespace windtunnel
