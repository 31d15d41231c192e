// SPDX-License-Identifier: Apache-2.0

/// Kind and JSON of every kind of entry, as `SampleEntries` makes them.
enum GoldenEntries {
    static let lines = [
        #"coordinatorStarted {"coordinatorStarted":{"boot":"0f4d1c2e-8a57-4d3c-9a53-6a5f2f2f9c11","epoch":1}}"#,
        #"""
        runStarted {"runStarted":{"by":"uid:1000","plan":{"body":{"planner":1,"spec":{"clusters":[{"cilium":{"clustermesh":\#
        {"maxConnectedClusters":255,"serviceType":"NodePort"},"encryption":"none","kubeProxyReplacement":true,"l2announceme\#
        nts":false,"routingMode":"tunnel","tunnelPort":8472,"tunnelProtocol":"vxlan","values":{}},"context":"admin@talos-ea\#
        st","endpoint":"https://192.168.15.5:6443","id":1,"kind":"talos","kubeProxy":false,"name":"talos-east","nodePortRan\#
        ge":[30000,32767],"nodes":[{"address":"192.168.15.21","disks":[{"name":"vdb","serial":"east-1","size":"128GiB","use\#
        ":"rook-ceph","wipe":"labels"}],"interfaces":[],"name":"wrk-e-1","role":"worker"}],"podCIDRs":["10.1.0.0/16"],"serv\#
        iceCIDRs":["10.101.0.0/16"]}],"hypervisors":[],"name":"home","networks":[],"policy":{"evidenceMaxAge":"10m","parall\#
        elism":16,"warrantSignatures":1},"services":[],"versions":{"cilium":"1.18.5","talos":"1.11.3"}},"steps":[{"action":\#
        {"wipe":{"_0":"wrk-e-1","_1":{"name":"vdb","serial":"east-1","size":"128GiB"},"_2":"labels"}},"after":[],"deadline"\#
        :"2h","destroys":["everything on vdb"],"done":[{"diskIdentity":{"_0":"wrk-e-1","_1":{"name":"vdb","serial":"east-1"\#
        ,"size":"128GiB"}}},{"diskBlank":{"_0":"wrk-e-1","_1":{"name":"vdb","serial":"east-1","size":"128GiB"},"cluster":"t\#
        alos-east"}}],"gates":[{"bootStable":{"_0":"wrk-e-1"}},{"warranted":{"_0":"talos-east/wrk-e-1/wipe-vdb","_1":"wrk-e\#
        -1","_2":{"name":"vdb","serial":"east-1","size":"128GiB"}}}],"id":"talos-east/wrk-e-1/wipe-vdb","place":{"node":{"_\#
        0":"wrk-e-1"}},"title":"wipe vdb"}]},"digest":"0000000000000000000000000000000000000000000000000000000000000000"},"\#
        run":"run-1"}}
        """#,
        #"""
        evidenceTaken {"evidenceTaken":{"_0":{"bootID":"0f4d1c2e-8a57-4d3c-9a53-6a5f2f2f9c11","facts":[{"host":{"_0":{"agen\#
        tVersion":"0.1.0","bootID":"0f4d1c2e-8a57-4d3c-9a53-6a5f2f2f9c11","hostname":"wrk-e-1","kernelRelease":"6.12.57-tal\#
        os","machine":"x86_64","uptime":"1h"}}}],"probe":"host","subject":{"node":{"_0":"wrk-e-1"}},"takenAt":{"boot":86400\#
        000,"wall":"2026-11-18T11:06:40.000Z"},"task":"probe-1"}}}
        """#,
        #"""
        evidenceRenewed {"evidenceRenewed":{"key":{"probe":"host","subject":{"node":{"_0":"wrk-e-1"}}},"takenAt":{"boot":86\#
        400000,"wall":"2026-11-18T11:06:40.000Z"}}}
        """#,
        #"""
        warrantTaken {"warrantTaken":{"envelope":{"signatures":["SSH"],"text":"MESHGATE\n"},"id":"00112233445566778899aabbc\#
        cddeeff","notAfter":"2026-11-18T11:06:40.000Z","step":"talos-east/wrk-e-1/wipe-vdb"}}
        """#,
        #"""
        overrideGranted {"overrideGranted":{"_0":{"by":"ada","gate":"G-HST-03","reason":"known","step":"talos-east/wrk-e-1/\#
        wipe-vdb","until":"2026-11-18T11:06:40.000Z"}}}
        """#,
        #"""
        stepHeld {"stepHeld":{"step":"talos-east/wrk-e-1/wipe-vdb","verdict":{"hold":{"_0":[{"code":"needsWarrant","detail"\#
        :"no warrant","gate":"G-DSK-06","remedy":"sign one","since":"2026-11-18T11:06:40.000Z","subject":{"node":{"_0":"wrk\#
        -e-1"}}}]}}}}
        """#,
        #"stepSkipped {"stepSkipped":{"step":"talos-east/wrk-e-1/wipe-vdb"}}"#,
        #"stepStarted {"stepStarted":{"attempt":1,"step":"talos-east/wrk-e-1/wipe-vdb"}}"#,
        #"""
        stepReported {"stepReported":{"attempt":1,"outcome":{"succeeded":{"_0":"cleared"}},"step":"talos-east/wrk-e-1/wipe-\#
        vdb"}}
        """#,
        #"stepFinished {"stepFinished":{"attempt":1,"step":"talos-east/wrk-e-1/wipe-vdb"}}"#,
        #"stepFailed {"stepFailed":{"attempt":1,"problem":"timed out","step":"talos-east/wrk-e-1/wipe-vdb"}}"#,
        #"stepUnsettled {"stepUnsettled":{"attempt":1,"step":"talos-east/wrk-e-1/wipe-vdb"}}"#,
        #"stepReturned {"stepReturned":{"attempt":1,"step":"talos-east/wrk-e-1/wipe-vdb"}}"#,
        #"runFinished {"runFinished":{"ending":"succeeded","run":"run-1"}}"#,
        #"agentEnrolled {"agentEnrolled":{"by":"token","node":"wrk-e-1","serial":"4a"}}"#,
        #"agentRevoked {"agentRevoked":{"by":"ada","node":"wrk-e-1","reason":"lost","serial":"4a"}}"#,
        #"alarm {"alarm":{"subject":{"cluster":{"_0":"talos-east"}},"text":"two sessions"}}"#,
    ]
}
