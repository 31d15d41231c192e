// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import Logging
import MeshModel
import MeshSystem

/// The flags that every command has, and how they become `AgentSettings`.
struct SettingsOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The settings file; \(AgentSettings.defaultFile) unless given.", valueName: "file"), completion: .file())
    var config: String?
    @Option(help: "How much is logged to standard error: trace, debug, info, notice, warning, error or critical.")
    var logLevel: String?

    /// File, environment and flags together; each fault with its place.
    func resolve(_ flags: [SettingKey: String?] = [:]) throws -> AgentSettings {
        do {
            let file = try SettingsFile.load(config ?? AgentSettings.defaultFile, named: config != nil)
            var given = flags.compactMapValues { $0 }
            given[.logLevel] = logLevel
            return try AgentSettings(
                AgentSettings.merge(file: file, environment: { getenv($0).map { String(cString: $0) } }, flags: given))
        } catch let faults as AgentSettings.Faults {
            throw AgentFailure(.configuration, "cannot take the settings:\n\(faults)")
        }
    }
}

extension AgentSettings {
    /// The logger that everything in this process uses.
    func logger(_ label: String) -> Logger {
        let handler = EventLog(level: logLevel) { SystemClock.now().wall }
        return Logger(label: label) { _ in handler }
    }
}
