// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// What a method writes on this disk, and what must be true afterwards.
struct WipePlan {
    let method: WarrantTerms.Method
    let verification: WarrantTerms.Verification
    let size: UInt64
    /// What is written.
    let areas: [WipeReport.Area]
    private let labelAreas: [WipeReport.Area]
    private let devicesZero: Bool

    init(_ terms: WarrantTerms, _ held: HeldDisk, _ content: DiskContent) {
        method = terms.method
        // A discard is never believed, so no sample is enough for it; and what `labels` writes is little.
        verification = terms.method == .zero ? terms.verification : .full
        size = held.facts.size
        labelAreas = DiskLayout.labelAreas(size: size, around: content.signatures.map(\.offset) + content.innerPlaces)
        switch method {
        case .labels: areas = labelAreas
        case .zero, .discardVerify: areas = [WipeReport.Area(offset: 0, length: size)]
        }
        devicesZero = held.disk.writeZeroesLimit > 0
    }

    /// What is read back, part by part.
    private var parts: [(name: String, areas: [WipeReport.Area])] {
        switch verification {
        case .full: return [("all", areas)]
        case .strata:
            let (head, tail) = DiskLayout.ends(size)
            return [("head", head), ("tail", tail), ("labels", labelAreas)]
        }
    }

    /// Upper bound of the bytes to write and to read, for a progress bar.
    var total: UInt64 {
        // What a discard left is looked at once before it is written.
        Self.length(areas) * (method == .discardVerify ? 2 : 1) + Self.length(method == .discardVerify ? labelAreas : [])
            + parts.reduce(0) { $0 + Self.length($1.areas) }
    }

    /// Gives what was read back.
    func carryOut(_ pass: WipePass, _ held: HeldDisk) throws(WipeStop) -> [Stratum] {
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
            if try !pass.isZero(areas) { try pass.zero(areas, byRange: devicesZero) }
        }
        var strata: [Stratum] = []
        for part in parts {
            let stratum = try pass.readBack(part.name, part.areas, hashing: verification == .strata)
            if let offset = stratum.firstNonzero {
                throw .failed("byte \(offset) does not read as zero although zero was written there")
            }
            strata.append(stratum)
        }
        try held.provesClean()
        return strata
    }

    private static func length(_ areas: [WipeReport.Area]) -> UInt64 { areas.reduce(0) { $0 + $1.length } }
}
