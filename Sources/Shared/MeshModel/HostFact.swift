// SPDX-License-Identifier: Apache-2.0

/// Who the machine is.
package struct HostFact: Hashable, Sendable, Codable {
    package var hostname: String
    package var bootID: BootID
    package var uptime: TimeSpan
    package var kernelRelease: String
    package var machine: String
    package var agentVersion: String
    package init(hostname: String, bootID: BootID, uptime: TimeSpan, kernelRelease: String, machine: String, agentVersion: String) {
        self.hostname = hostname
        self.bootID = bootID
        self.uptime = uptime
        self.kernelRelease = kernelRelease
        self.machine = machine
        self.agentVersion = agentVersion
    }
}

/// The four timestamps of one clock exchange, wall time; the coordinator fills the first and the last.
package struct ClockFact: Hashable, Sendable, Codable {
    /// How fast a clock runs beside the coordinator's, in millionths.
    package struct Drift: Hashable, Sendable, Codable {
        /// More than zero where it gains.
        package var ppm: Int
        package var doubt: Int
        /// From the first exchange that counts to the last.
        package var over: TimeSpan
        /// The same beside the middle of all nodes; absent below three.
        package var fromMedian: Int?
        package init(ppm: Int, doubt: Int, over: TimeSpan, fromMedian: Int? = nil) {
            self.ppm = ppm
            self.doubt = doubt
            self.over = over
            self.fromMedian = fromMedian
        }
    }
    package var asked: Timestamp
    package var received: Timestamp
    package var replied: Timestamp
    package var arrived: Timestamp?
    /// The kernel's own word (adjtimex) on whether the clock is disciplined; absent when it could not be read.
    package var synchronised: Bool?
    /// The coordinator writes it, from exchanges that follow each other; absent while there are too few.
    package var drift: Drift?
    package init(asked: Timestamp, received: Timestamp, replied: Timestamp, arrived: Timestamp? = nil, synchronised: Bool?) {
        self.asked = asked
        self.received = received
        self.replied = replied
        self.arrived = arrived
        self.synchronised = synchronised
    }
    /// How far the node's clock is ahead of the coordinator's, and the uncertainty (half the round trip). `nil` before arrival.
    package var offset: (ahead: Duration, uncertainty: Duration)? {
        guard let arrived else { return nil }
        let ahead = ((received - asked).inMilliseconds + (replied - arrived).inMilliseconds) / 2
        let roundTrip = (arrived - asked).inMilliseconds - (replied - received).inMilliseconds
        return (.milliseconds(ahead), .milliseconds(max(0, roundTrip) / 2))
    }
}

/// What the kernel offers to Cilium and Rook.
package struct KernelFact: Hashable, Sendable, Codable {
    package enum Option: String, Hashable, Sendable, Codable { case builtIn = "y", module = "m", absent = "n" }
    package var release: String
    /// Configuration options without `CONFIG_`; empty when no configuration could be read.
    package var options: [String: Option]
    /// Where the options were read, such as `/proc/config.gz`.
    package var optionsFrom: String?
    package var btf: Bool
    package var bpffs: Bool
    package var cgroup2: Bool
    /// The mode in force, `none` where the kernel has no lockdown; absent when that could not be seen.
    package var lockdown: String?
    package var loadedModules: [String]
    /// Whether tracefs is mounted or could be; absent when an agent of an earlier version answered, here and below.
    package var tracefs: Bool?
    /// Of the modules that services ask for, those that are there to be loaded; absent when the kernel's module directory is not visible.
    package var loadableModules: [String]?
    package var platform: PlatformFact?
    package init(
        release: String, options: [String: Option], optionsFrom: String?, btf: Bool, bpffs: Bool, cgroup2: Bool, lockdown: String?,
        loadedModules: [String], tracefs: Bool? = nil, loadableModules: [String]? = nil, platform: PlatformFact? = nil
    ) {
        self.release = release
        self.options = options
        self.optionsFrom = optionsFrom
        self.btf = btf
        self.bpffs = bpffs
        self.cgroup2 = cgroup2
        self.lockdown = lockdown
        self.loadedModules = loadedModules
        self.tracefs = tracefs
        self.loadableModules = loadableModules
        self.platform = platform
    }
}
