// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Samples of one quantity, sorted.
struct Samples {
    let sorted: [Double]
    init(_ values: [Double]) { sorted = values.sorted() }
    /// The value that the given share of the samples does not exceed.
    func quantile(_ share: Double) -> Double {
        guard let last = sorted.indices.last else { return .nan }
        return sorted[min(last, Int(Double(sorted.count) * share))]
    }
    var median: Double { quantile(0.5) }
    /// `fastest-slowest`.
    func range(_ digits: Int) -> String { "\(quantile(0).text(digits))-\(quantile(1).text(digits))" }
}

extension Double {
    /// With a fixed number of decimals.
    func text(_ digits: Int) -> String {
        guard isFinite else { return "-" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let whole = Int((magnitude * scale).rounded())
        let sign = self < 0 && whole > 0 ? "-" : ""
        if digits == 0 { return "\(sign)\(grouped(whole))" }
        let fraction = String(whole % Int(scale))
        return "\(sign)\(grouped(whole / Int(scale))).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }

    private func grouped(_ number: Int) -> String {
        number < 1000 ? "\(number)" : "\(grouped(number / 1000)),\(String(String(1000 + number % 1000).dropFirst()))"
    }
}

/// What the machine says of a process and of itself.
enum Machine {
    /// Monotonic seconds.
    static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Processor seconds of this process so far.
    static func cpu() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Processor seconds of another process so far, in steps of 10 ms.
    static func cpu(of process: pid_t) -> Double {
        let fields = read("/proc/\(process)/stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return .nan }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// A field of /proc/PID/status in kB, such as `VmRSS`, `VmHWM` or `RssAnon`.
    static func memory(_ field: String, of process: pid_t = getpid()) -> Double {
        for line in read("/proc/\(process)/status").split(separator: "\n") where line.hasPrefix(field + ":") {
            return line.split(separator: " ").dropLast().last.flatMap { Double($0) }
                ?? line.split(whereSeparator: { $0 == "\t" || $0 == " " }).dropFirst().first.flatMap { Double($0) } ?? .nan
        }
        return .nan
    }

    static func threads(of process: pid_t) -> String {
        let line = read("/proc/\(process)/status").split(separator: "\n").first { $0.hasPrefix("Threads:") }
        return line?.split(separator: "\t").last.map(String.init) ?? "-"
    }

    /// The load of the last minute.
    static var load: String { read("/proc/loadavg").split(separator: " ").first.map(String.init) ?? "-" }

    static func read(_ path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = Glibc.read(file, &buffer, buffer.count)
            if count <= 0 { return String(decoding: text, as: UTF8.self) }
            text += buffer[..<count]
        }
    }

    /// Prints one row of a table.
    static func row(_ cells: String...) {
        print("| " + cells.joined(separator: " | ") + " |")
        fflush(nil)
    }

    /// One line on standard error.
    static func complain(_ words: String) {
        let line = Array("meshgate-bench: \(words)\n".utf8)
        _ = write(2, line, line.count)
    }

    /// Runs `body` and says how many seconds it took.
    static func timed<Value>(_ body: () throws -> Value) rethrows -> (Value, Double) {
        let start = now()
        let value = try body()
        return (value, now() - start)
    }
}
