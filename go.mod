module github.com/failoverbot/failoverbot

go 1.26.0
