# The command `earthengine`, a new process for each line of input.
printf '{"url": "%s"}' "$EARTH_ENGINE" >"$HOME/earthengine.json"
while read -r _; do
    if said=$(EE_CONFIG_FILE="$HOME/earthengine.json" earthengine alpha project_config get 2>&1); then
        echo ok $said
    else
        echo error $said
    fi
done
