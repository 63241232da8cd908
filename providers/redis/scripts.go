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
	//go:embed scripts/open.lua
	openSource string
	//go:embed scripts/close.lua
	closeSource string
	//go:embed scripts/register.lua
	registerSource string
	//go:embed scripts/acquire.lua
	acquireSource string
	//go:embed scripts/renew.lua
	renewSource string
	//go:embed scripts/release.lua
	releaseSource string

	appendScript   = goredis.NewScript(appendSource)
	openScript     = goredis.NewScript(openSource)
	closeScript    = goredis.NewScript(closeSource)
	registerScript = goredis.NewScript(registerSource)
	acquireScript  = goredis.NewScript(acquireSource)
	renewScript    = goredis.NewScript(renewSource)
	releaseScript  = goredis.NewScript(releaseSource)
)
