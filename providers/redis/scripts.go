package redis

import (
	_ "embed"

	goredis "github.com/redis/go-redis/v9"
)

// The scripts say themselves what they take and return. Each is one decision,
// each may run twice, none blocks, none asks the server for the time.
var (
	//go:embed scripts/append.lua
	appendSource string
	//go:embed scripts/acquire.lua
	acquireSource string
	//go:embed scripts/renew.lua
	renewSource string
	//go:embed scripts/release.lua
	releaseSource string

	appendScript  = goredis.NewScript(appendSource)
	acquireScript = goredis.NewScript(acquireSource)
	renewScript   = goredis.NewScript(renewSource)
	releaseScript = goredis.NewScript(releaseSource)
)
