#include "scenarios/traces/trace_builder.hpp"
#include "scenarios/traces/trace_formats.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

namespace windtunnel {
namespace {

enum class Field {
    none,
    timestamp_ms,
    arrival_s,
    arrival_ms,
    prompt,
    output,
    max_tokens,
    model,
    tenant,
    priority,
    hash_ids,
    input_lens,
    output_lens,
    start_times,
    request_rate,
    chat,  ///< of Qwen's traces, whose timestamps are seconds
};

struct FieldName {
    const char* normalised;
    Field field;
};

constexpr FieldName field_names[] = {
    {"timestamp", Field::timestamp_ms},
    {"arrivals", Field::arrival_s},
    {"arrivaltime", Field::arrival_s},
    {"arrivaltimes", Field::arrival_s},
    {"arrivedat", Field::arrival_s},
    {"arrivalms", Field::arrival_ms},
    {"inputlength", Field::prompt},
    {"prompttokens", Field::prompt},
    {"inputtokens", Field::prompt},
    {"inputtoks", Field::prompt},
    {"inputlen", Field::prompt},
    {"promptlen", Field::prompt},
    {"outputlength", Field::output},
    {"outputtokens", Field::output},
    {"completiontokens", Field::output},
    {"outputtoks", Field::output},
    {"outputlen", Field::output},
    {"maxtokens", Field::max_tokens},
    {"model", Field::model},
    {"tenant", Field::tenant},
    {"tenantid", Field::tenant},
    {"user", Field::tenant},
    {"userid", Field::tenant},
    {"customer", Field::tenant},
    {"priority", Field::priority},
    {"hashids", Field::hash_ids},
    {"prefixhashes", Field::hash_ids},
    {"inputlens", Field::input_lens},
    {"outputlens", Field::output_lens},
    {"starttimes", Field::start_times},
    {"requestrate", Field::request_rate},
    {"parentchatid", Field::chat},
};

Field find_field(const std::string& key) {
    const std::string normalised = normalised_column(key);
    for (const FieldName& name : field_names)
        if (normalised == name.normalised) return name.field;
    return Field::none;
}

/// One record as text: numbers stay the decimals that the file holds, so that times are read exactly.
struct Record {
    std::optional<std::string> arrival, prompt, output, max_tokens, priority, request_rate;
    Field arrival_field = Field::none;
    std::string model, tenant;
    std::vector<std::uint64_t> hashes;
    std::vector<std::string> input_lens, output_lens, start_times;
    bool has_input_lens = false, has_output_lens = false, has_start_times = false, has_chat = false;
};

/// Lets nlohmann's parser read a TextInput character by character; counts lines on the way.
struct TextIterator {
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = char;

    TextInput* text = nullptr;  // null: the end

    char operator*() const { return text->peek(); }
    TextIterator& operator++() {
        text->advance();
        return *this;
    }
    void operator++(int) { text->advance(); }
    bool operator==(const TextIterator& other) const { return ended() == other.ended(); }
    bool operator!=(const TextIterator& other) const { return !(*this == other); }
    bool ended() const { return text == nullptr || text->at_end(); }
};

/// Receives the parser's events and hands each complete record to the builder.
class JsonTraceReader {
public:
    JsonTraceReader(TextInput& text, const std::string& name, const TraceReadOptions& options)
        : m_text(text), m_name(name), m_builder(name, options, false), m_absolute(name, options, true) {}

    Result<Trace> read() {
        while (true) {
            while (!m_text.at_end() && std::isspace(static_cast<unsigned char>(m_text.peek())))
                m_text.advance();
            if (m_text.at_end()) break;
            const char c = m_text.peek();
            if (c != '{' && c != '[') {
                m_problem = problem_at(
                    m_name, here(), {},
                    fmt::format("found {}, allowed: a JSON object per line", shown(std::string(1, c))));
                return m_problem;
            }
            m_depth = 0;
            m_top_array = false;
            if (!nlohmann::json::sax_parse(TextIterator{&m_text}, TextIterator{}, this,
                                           nlohmann::json::input_format_t::json, false))
                return builder().failed() ? builder().problem() : m_problem;
        }
        if (m_bench) {
            if (!add_bench()) return builder().failed() ? builder().problem() : m_problem;
        }
        builder().trace().format = m_bench        ? "vllm-bench"
                                   : m_chats      ? "qwen-bailian"
                                   : m_timestamps ? "mooncake"
                                                  : "plain-jsonl";
        return builder().finish();
    }

    // nlohmann's SAX interface; false stops the parser.
    bool null() { return true; }
    bool boolean(bool) { return true; }
    bool number_integer(std::int64_t value) { return number(std::to_string(value)); }
    bool number_unsigned(std::uint64_t value) {
        if (m_field == Field::hash_ids && m_depth == record_depth() + 1) {
            m_record.hashes.push_back(value);
            return true;
        }
        return number(std::to_string(value));
    }
    bool number_float(double, const std::string& text) { return number(text); }
    bool string(std::string& value) {
        if (m_depth == record_depth()) {
            if (m_field == Field::model)
                m_record.model = value;
            else if (m_field == Field::tenant)
                m_record.tenant = value;
            else if (m_field != Field::none)
                return number(value);
        } else if (m_field == Field::hash_ids && m_depth == record_depth() + 1) {
            return wrong("hash_ids", shown(value), "unsigned 64-bit integers");
        }
        return true;
    }
    bool binary(nlohmann::json::binary_t&) { return true; }
    bool start_object(std::size_t) {
        ++m_depth;
        if (m_depth == record_depth()) {
            m_record = {};
            m_line = here();
        } else if (m_depth > record_depth()) {
            ++m_nested;
        }
        return true;
    }
    bool key(std::string& name) {
        if (m_depth != record_depth()) return true;
        m_field = find_field(name);
        m_record.has_chat |= m_field == Field::chat;
        return true;
    }
    bool end_object() {
        if (m_depth > record_depth()) --m_nested;
        return m_depth-- != record_depth() || take_record();
    }
    bool start_array(std::size_t) {
        ++m_depth;
        if (m_depth == 1)
            m_top_array = true;
        else if (m_depth == record_depth() + 1) {
            m_record.has_input_lens |= m_field == Field::input_lens;
            m_record.has_output_lens |= m_field == Field::output_lens;
            m_record.has_start_times |= m_field == Field::start_times;
        } else if (m_depth == record_depth()) {
            return wrong("", "an array", "an array of objects");
        }
        return true;
    }
    bool end_array() {
        --m_depth;
        return true;
    }
    bool parse_error(std::size_t, const std::string& token, const nlohmann::json::exception& error) {
        std::string detail = error.what();
        const std::size_t colon = detail.find("column");
        const std::size_t message = colon == std::string::npos ? std::string::npos : detail.find(": ", colon);
        const std::string found = m_text.at_end()
                                      ? "the end of the file inside a JSON value"
                                      : shown(token.substr(token.size() > 60 ? token.size() - 60 : 0));
        if (message != std::string::npos) detail.erase(0, message + 2);
        m_problem =
            problem_at(m_name, here(), {}, fmt::format("found {}, allowed: JSON ({})", found, detail));
        return false;
    }

private:
    [[nodiscard]] int record_depth() const { return m_top_array ? 2 : 1; }
    [[nodiscard]] std::int64_t here() const { return m_text.line() + 1; }
    TraceBuilder& builder() { return m_use_absolute ? m_absolute : m_builder; }
    bool wrong(const char* path, const std::string& found, const std::string& allowed) {
        return builder().fail(here(), path, found, allowed);
    }

    bool number(const std::string& text) {
        if (m_depth == record_depth() + 1 && m_nested == 0) {
            if (m_field == Field::input_lens)
                m_record.input_lens.push_back(text);
            else if (m_field == Field::output_lens)
                m_record.output_lens.push_back(text);
            else if (m_field == Field::start_times)
                m_record.start_times.push_back(text);
            else if (m_field == Field::hash_ids)
                return wrong("hash_ids", text, "unsigned 64-bit integers");
            return true;
        }
        if (m_depth != record_depth()) return true;
        switch (m_field) {
            case Field::timestamp_ms:
            case Field::arrival_s:
            case Field::arrival_ms:
                m_record.arrival = text;
                m_record.arrival_field = m_field;
                break;
            case Field::prompt:
                m_record.prompt = text;
                break;
            case Field::output:
                m_record.output = text;
                break;
            case Field::max_tokens:
                m_record.max_tokens = text;
                break;
            case Field::priority:
                m_record.priority = text;
                break;
            case Field::request_rate:
                m_record.request_rate = text;
                break;
            default:
                break;
        }
        return true;
    }

    bool take_record() {
        m_field = Field::none;
        if (m_record.has_input_lens && m_record.has_output_lens) {
            if (m_bench || m_any_record) return wrong("", "a second benchmark result", "one result a file");
            m_bench = std::move(m_record);
            return true;
        }
        if (m_bench) return wrong("", "a further record behind a benchmark result", "one result a file");
        builder().next_row();
        const auto missing = [&](const char* what, const char* names) {
            return builder().fail(m_line, what, "no such key", names);
        };
        if (!m_record.prompt)
            return missing("input_length", "input_length (or prompt_tokens), an integer of at least 1");
        if (!m_record.output)
            return missing("output_length", "output_length (or output_tokens), an integer of at least 1");
        Request request;
        Instant at;
        if (m_record.arrival) {
            const bool in_seconds = m_record.arrival_field == Field::arrival_s || m_record.has_chat;
            const int exponent = in_seconds ? 0 : -3;
            if (!builder().time(*m_record.arrival, exponent, "timestamp", m_line, at)) return false;
            m_timestamps = m_timestamps || m_record.arrival_field == Field::timestamp_ms;
            m_chats = m_chats || m_record.has_chat;
            // The first time cannot be an offset from zero where it lies behind the clock's range: Unix time.
            if (!m_any_record && at.seconds >= 1'000'000'000) {
                m_use_absolute = true;
                builder().next_row();
            }
        }
        m_any_record = true;
        if (!builder().tokens(*m_record.prompt, "input_length", m_line, false, request.prompt_tokens))
            return false;
        if (!builder().tokens(*m_record.output, "output_length", m_line, false, request.output_tokens))
            return false;
        if (m_record.max_tokens &&
            !builder().tokens(*m_record.max_tokens, "max_tokens", m_line, true, request.max_tokens))
            return false;
        if (m_record.priority && !builder().priority(*m_record.priority, m_line, request.priority))
            return false;
        if (!builder().model(m_record.model, m_line, request.model)) return false;
        if (!builder().tenant(m_record.tenant, m_line, request.tenant)) return false;
        for (const std::uint64_t hash : m_record.hashes)
            if (!builder().prefix_hash(hash, m_line, request)) return false;
        return m_record.arrival ? builder().add(at, request, m_line)
                                : builder().add_without_arrival(request, m_line);
    }

    /// A vLLM bench result: one array per quantity, one entry per request in the order of the data set. Start
    /// times come from a clock without a date and need not be sorted; t = 0 is the earliest.
    bool add_bench() {
        const Record& bench = *m_bench;
        m_use_absolute = bench.has_start_times;
        TraceBuilder& to = builder();
        const std::size_t n = bench.input_lens.size();
        if (bench.output_lens.size() != n || (bench.has_start_times && bench.start_times.size() != n))
            return wrong("output_lens",
                         fmt::format("{} output_lens and {} start_times", bench.output_lens.size(),
                                     bench.start_times.size()),
                         fmt::format("as many as input_lens: {}", n));
        std::vector<std::pair<Instant, Request>> rows;
        for (std::size_t i = 0; i < n; ++i) {
            to.next_row();
            Request request;
            Instant at;
            if (bench.has_start_times && !to.time(bench.start_times[i], 0, "start_times", m_line, at))
                return false;
            if (!to.tokens(bench.input_lens[i], "input_lens", m_line, true, request.prompt_tokens))
                return false;
            if (!to.tokens(bench.output_lens[i], "output_lens", m_line, true, request.output_tokens))
                return false;
            if (to.drops_failed(request)) continue;
            rows.emplace_back(at, request);
        }
        std::stable_sort(rows.begin(), rows.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
        for (const auto& [at, request] : rows) {
            if (bench.has_start_times ? !to.add(at, request, m_line)
                                      : !to.add_without_arrival(request, m_line)) {
                return false;
            }
        }
        to.trace().start.reset();  // a monotonic clock, not the date
        return true;
    }

    TextInput& m_text;
    std::string m_name;
    TraceBuilder m_builder, m_absolute;  // times from zero; times from the first request
    bool m_use_absolute = false;
    Problem m_problem;
    int m_depth = 0, m_nested = 0;
    bool m_top_array = false, m_any_record = false, m_timestamps = false, m_chats = false;
    Field m_field = Field::none;
    Record m_record;
    std::optional<Record> m_bench;
    std::int64_t m_line = 0;
};

}  // namespace

Result<Trace> read_json_trace(TextInput& text, const std::string& name, const TraceReadOptions& options) {
    return JsonTraceReader(text, name, options).read();
}

}  // namespace windtunnel
