// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// What a method writes on this disk, and what must be true afterwards.
struct WipePlan {
    let method: WarrantTerms.Method
    let size: UInt64
    /// What is written and read back.
    let areas: [WipeReport.Area]
    private let labelAreas: [WipeReport.Area]
    private let devicesZero: Bool

    init(_ method: WarrantTerms.Method, _ held: HeldDisk, _ content: DiskContent) {
        self.method = method
        size = held.facts.size
        labelAreas = DiskLayout.labelAreas(size: size, around: content.signatures.map(\.offset) + content.partitionEdges)
        switch method {
        case .labels: areas = labelAreas
        case .zero, .discardVerify: areas = [WipeReport.Area(offset: 0, length: size)]
        }
        devicesZero = held.disk.writeZeroesLimit > 0
    }

    /// Upper bound of the bytes to write and to read, for a progress bar.
    var total: UInt64 { 2 * areas.reduce(0) { $0 + $1.length } }

    func carryOut(_ pass: WipePass, _ held: HeldDisk) throws(WipeStop) {
        switch method {
        case .labels:
            try pass.zero(areas, byRange: false)
        case .zero:
            try pass.zero(areas, byRange: devicesZero)
        case .discardVerify:
            try pass.discard(size: size)
            // Written and not discarded, so that where signatures were there is zero on the medium, whatever a later read of discarded
            // blocks may return.
            try pass.zero(labelAreas, byRange: false)
            if try pass.firstNonzeroByte(areas) != nil { try pass.zero(areas, byRange: devicesZero) }
        }
        if let offset = try pass.firstNonzeroByte(areas) {
            throw .failed("byte \(offset) does not read as zero although zero was written there")
        }
        try held.provesClean()
    }
}
