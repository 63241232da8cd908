package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/failoverbot/failoverbot/incident"
)

// reported is an assessment with each verdict, and a bot that is not well.
func reported() Report {
	at := time.Date(2026, 3, 14, 14, 0, 0, 0, time.UTC)
	is := func(v incident.Verdict, ago time.Duration, figures ...incident.Figure) incident.Measured {
		return incident.Measured{Verdict: v, AsOf: at.Add(-ago), Figures: figures}
	}
	return Report{
		Assessment: incident.Assessment{At: at, By: incident.Bot, AssessmentMade: incident.AssessmentMade{
			Why: incident.WhyCheck, Source: "us-east-1", Target: "us-west-2", Mode: "planned", Digest: "7f3a9c",
			Findings: []incident.Finding{
				{
					Step: "nodes", Action: "kube.nodes", Title: "Nodes in each zone of us-west-2", Gate: incident.GateRequired, Summary: "6 nodes in 3 zones", Evidence: map[string]string{"cluster": "ecommerce"},
					Measured: is(incident.Pass, 0, incident.Figure{Name: "nodes", Value: 6, Unit: "nodes", Limit: new(6.0)}),
				},
				{Step: "waf", Title: "Web ACLs are alike", Gate: incident.GateAdvice, Summary: "not applicable: there is none", Measured: is(incident.NotApplicable, 0)},
				{
					Step: "lag", Title: "Replication lag of the standby database in us-west-2, as CloudWatch measures it", Gate: incident.GateRequired, Summary: "CloudWatch GetMetricData: no answer", Hint: "ask AWS Health",
					Measured: is(incident.Unsure, 0), Last: &incident.Known{Verdict: incident.Pass, Summary: "0.2 s behind", At: at.Add(-9 * time.Minute)},
				},
				{
					Step: "backup", Title: "Velero backup of us-east-1", Gate: incident.GateAdvice, Hint: "look at the schedule\x1b[31m",
					Summary:  "the newest backup of the schedule ecommerce-prod is 22 min old and may be 15 min old: the scheduled run at 13:45 failed validation because the snapshot of a volume was not there",
					Evidence: map[string]string{"schedule": "ecommerce-prod", "arn": "arn:aws:s3:::ecommerce-backups-of-the-whole-platform-in-us-west-2/ecommerce-prod/20261127134500"},
					Measured: is(incident.Fail, 3*time.Second, incident.Figure{Name: "age of the backup", Value: 22, Unit: "min", Limit: new(15.0)}),
				},
				{Step: "dns", Title: "Failover records", Gate: incident.GateLocked, Summary: "but a check asks every 30 s", Measured: is(incident.Warn, 0)},
			},
		}},
	}
}

func TestTheTableIsReadableInATerminal(t *testing.T) {
	r := reported()
	var b strings.Builder
	if err := r.Table(&b); err != nil {
		t.Fatal(err)
	}
	const want = `us-west-2 to take over from us-east-1, planned, read at 2026-03-14 14:00:00 UTC
1 ok, 1 failed, 1 unknown (1 of them advice), 1 warning, 1 not applicable
Whether us-west-2 is ready to take over is not known: 1 required check could not
be found out.

VERDICT  GATE      CHECK                                                   AGE
unknown  required  Replication lag of the standby database in us-west-2,   0 s
                   as CloudWatch measures it
         CloudWatch GetMetricData: no answer
         Last known 9 min ago: ok, 0.2 s behind
         ask AWS Health
failed   advice    Velero backup of us-east-1                              3 s
         the newest backup of the schedule ecommerce-prod is 22 min old and may
         be 15 min old: the scheduled run at 13:45 failed validation because the
         snapshot of a volume was not there
         age of the backup 22 min (limit 15 min)
`
	if !strings.HasPrefix(b.String(), want) {
		t.Errorf("the table is\n%s\nand does not begin as\n%s", b.String(), want)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if utf8.RuneCountInString(line) > tableWidth && strings.Contains(strings.TrimSpace(line), " ") {
			t.Errorf("%d characters: %s", utf8.RuneCountInString(line), line)
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("what was read can steer the terminal")
	}
	order := []string{"Replication lag", "Velero backup", "Failover records", "Nodes in each zone", "Web ACLs"}
	for i, at := 0, -1; i < len(order); i++ {
		next := strings.Index(b.String(), order[i])
		if next <= at {
			t.Errorf("%s does not stand behind what is worse", order[i])
		}
		at = next
	}
	r.Bot = []incident.Unproved{{Proof: incident.Proof{Name: "the record can be written", Where: "Redis"}, Err: errors.New("connection refused")}}
	b.Reset()
	if err := r.Table(&b); err != nil || !strings.Contains(b.String(), "\nThe bot itself\nfailed   required  the record can be written") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// What other programs read keeps its names.
func TestTheJSONOfACheckHasAShape(t *testing.T) {
	r := reported()
	read := func() map[string]any {
		t.Helper()
		var b strings.Builder
		if err := r.JSON(&b); err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal([]byte(b.String()), &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	doc := read()
	for key, want := range map[string]any{
		"at": "2026-03-14T14:00:00Z", "result": "unknown", "why": "check", "source": "us-east-1", "target": "us-west-2", "mode": "planned", "digest": "7f3a9c",
	} {
		if doc[key] != want {
			t.Errorf("%s is %v, want %v", key, doc[key], want)
		}
	}
	found, _ := doc["findings"].([]any)
	if len(found) != 5 {
		t.Fatalf("findings %v", doc["findings"])
	}
	lag, backup := found[0].(map[string]any), found[1].(map[string]any)
	if last := lag["last"].(map[string]any); lag["step"] != "lag" || lag["verdict"] != "unknown" || lag["gate"] != "required" || last["verdict"] != "pass" || last["at"] != "2026-03-14T13:51:00Z" {
		t.Errorf("the worst is %v", lag)
	}
	figure := backup["figures"].([]any)[0].(map[string]any)
	if backup["as_of"] != "2026-03-14T13:59:57Z" || figure["name"] != "age of the backup" || figure["value"] != 22.0 || figure["unit"] != "min" || figure["limit"] != 15.0 {
		t.Errorf("the backup is %v", backup)
	}
	if bot, ok := doc["bot"].([]any); !ok || len(bot) != 0 {
		t.Errorf("bot is %v, want an empty list", doc["bot"])
	}
	r.Bot = []incident.Unproved{{Proof: incident.Proof{Name: "the record can be written", Where: "Redis"}, Err: errors.New("connection refused")}}
	if doc := read(); doc["result"] != "fail" || doc["bot"].([]any)[0].(map[string]any)["error"] != "connection refused" {
		t.Errorf("%v", doc)
	}
}

// Where the settings differ is told below the checks, and has no part in what they come to.
func TestTheReportTellsWhereTheSettingsDiffer(t *testing.T) {
	r := reported()
	result := r.Result()
	for name, c := range map[string]struct {
		is          Drift
		table, json string
	}{
		"some differ": {
			Drift{Settings: []Drifted{{"platform.record", "changed", "", "api.example.com\x1b[31m"}}, Same: 40, Unread: []string{"sqs:ListQueues in us-east-1: no answer"}},
			"\nThe settings, compared with what there is now\nchanged  platform.record\n         file: nothing\n         found: api.example.com\n         40 as found\n         could not be read: sqs:ListQueues in us-east-1: no answer\n",
			`"setting":"platform.record","verdict":"changed"`,
		},
		"none does": {Drift{Same: 41}, "now\n         41 as found\n", `"same":41`},
		"it is not known": {
			Drift{Error: "the kubeconfig has no context \"east\""},
			"now\n         could not be compared: the kubeconfig has no context \"east\"\n", `"error":"the kubeconfig`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r.Drift = &c.is
			var table, doc, compact bytes.Buffer
			if err := errors.Join(r.Table(&table), r.JSON(&doc)); err != nil {
				t.Fatal(err)
			}
			if err := json.Compact(&compact, doc.Bytes()); err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(strings.ReplaceAll(table.String(), "[31m", ""), c.table) || strings.Contains(table.String(), "\x1b") {
				t.Errorf("the table ends as\n%s\nand not as\n%s", table.String()[max(0, table.Len()-len(c.table)-40):], c.table)
			}
			if !strings.Contains(compact.String(), c.json) || r.Result() != result {
				t.Errorf("%s, it comes to %s", compact.String(), r.Result())
			}
		})
	}
}
