// SPDX-License-Identifier: Apache-2.0

/// Tetragon's numbers (tetragon/events.proto, sensors.proto) in the words of its log.
enum TetragonEvent {
    /// Where an event has what can be searched for; zero for what it does not have, which is no field's number.
    struct Fields {
        var process: UInt64 = 1
        var reason: UInt64 = 0
        var policy: UInt64 = 0
        var action: UInt64 = 0
        var throttle: UInt64 = 0
        var leftOut: UInt64 = 0
    }

    private static let names: [UInt64: String] = [
        1: "process_exec", 5: "process_exit", 9: "process_kprobe", 10: "process_tracepoint", 11: "process_loader", 12: "process_uprobe",
        27: "process_throttle", 28: "process_lsm", 29: "process_usdt", 40000: "test", 40001: "rate_limit_info",
    ]

    /// The event's name in the log; one that this version does not know is called by its number.
    static func name(_ number: UInt64) -> String { names[number] ?? "tetragon_\(number)" }

    static func fields(_ number: UInt64) -> Fields {
        switch number {
        case 5: Fields(reason: 3)
        case 9: Fields(reason: 3, policy: 8, action: 6)
        case 10: Fields(reason: 5, policy: 7, action: 8)
        case 12: Fields(policy: 5, action: 12)
        case 27: Fields(process: 0, throttle: 1)
        case 28: Fields(reason: 3, policy: 5, action: 8)
        case 29: Fields(policy: 6, action: 11)
        case 40001: Fields(process: 0, leftOut: 1)
        default: Fields()
        }
    }

    private static let actions = [
        "UNKNOWN", "POST", "FOLLOWFD", "SIGKILL", "UNFOLLOWFD", "OVERRIDE", "COPYFD", "GETURL", "DNSLOOKUP", "NOPOST", "SIGNAL",
        "TRACKSOCK",
        "UNTRACKSOCK", "NOTIFYENFORCER", "CLEANUPENFORCERNOTIFICATION", "SET",
    ]

    /// KprobeAction; a number that this version does not know stays one.
    static func action(_ number: UInt64) -> String { word(number, actions, "KPROBE_ACTION_") }
    /// ThrottleType.
    static func throttle(_ number: UInt64) -> String { word(number, ["UNKNOWN", "START", "STOP"], "THROTTLE_") }
    /// TracingPolicyState.
    static func policyState(_ number: UInt64) -> String {
        word(
            number,
            ["unknown", "enabled", "disabled", "load_error", "error", "loading", "unloading", "skipped", "partially_enabled"], "")
    }
    /// TracingPolicyMode.
    static func policyMode(_ number: UInt64) -> String { word(number, ["unknown", "enforce", "monitor", "monitor_only"], "") }
    /// HealthStatusResult.
    static func health(_ number: UInt64) -> String { word(number, ["undefined", "running", "stopped", "error"], "") }

    private static func word(_ number: UInt64, _ words: [String], _ prefix: String) -> String {
        number < UInt64(words.count) ? prefix + words[Int(number)] : String(number)
    }
}
