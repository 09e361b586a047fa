# Used by the scripts beside it (dot-sourced): the application as Exchange Online knows it.

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

# Fails with what to do if there is no session with Exchange Online.
function Assert-ExchangeConnection {
    [CmdletBinding()]
    param()

    if (-not (Get-Command -Name Get-ServicePrincipal -ErrorAction SilentlyContinue)) {
        throw 'There is no session with Exchange Online. Run: Install-Module ExchangeOnlineManagement; Connect-ExchangeOnline'
    }
}

# Exchange Online's pointer to the application, made where it is missing. Nothing is returned where
# -WhatIf keeps it from being made.
function Initialize-ServicePrincipal {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory)] [guid] $AppId,
        [Parameter(Mandatory)] [guid] $ServicePrincipalId,
        [Parameter(Mandatory)] [string] $DisplayName
    )

    $known = Get-ServicePrincipal | Where-Object { $_.AppId -eq "$AppId" }
    if ($known) {
        # The usual mistake: the object id of the app registration in place of the enterprise
        # application's. Exchange Online takes it, and every sign-in then fails with 535 5.7.3.
        if ($known.ObjectId -ne "$ServicePrincipalId") {
            throw "Exchange Online knows application $AppId by the object id $($known.ObjectId), not $ServicePrincipalId. " +
                "Take the id of the enterprise application (az ad sp show --id $AppId --query id). If the known one is " +
                "wrong: Remove-ServicePrincipal -Identity $($known.ObjectId), and run this again."
        }
        Write-Verbose "Exchange Online knows application $AppId."
        return $known
    }
    if ($PSCmdlet.ShouldProcess("application $AppId", 'New-ServicePrincipal')) {
        return New-ServicePrincipal -AppId $AppId -ObjectId $ServicePrincipalId -DisplayName $DisplayName
    }
}
